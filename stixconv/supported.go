package stixconv

import "strings"

// supportedID says whether OpenCTI imports objects of the id's type. An id
// without "--" is one of the platform's own, whose type cannot be told.
func supportedID(id string) bool {
	kind, _, isSTIX := strings.Cut(id, "--")
	return !isSTIX || supportedType(kind)
}

// supportedType is the list that OpenCTI's client splits by.
func supportedType(kind string) bool {
	switch kind {
	case "label", "vocabulary", "kill-chain-phase", "external-reference", "marking-definition",
		"attack-pattern", "campaign", "channel", "course-of-action", "event", "grouping",
		"case-incident", "x-opencti-case-incident", "case-rfi", "x-opencti-case-rfi",
		"case-rft", "x-opencti-case-rft", "feedback", "x-opencti-feedback", "task", "x-opencti-task",
		"data-component", "x-mitre-data-component", "data-source", "x-mitre-data-source",
		"identity", "incident", "indicator", "infrastructure", "intrusion-set", "language",
		"location", "malware", "malware-analysis", "narrative", "note", "observed-data",
		"opinion", "report", "threat-actor", "tool", "vulnerability", "security-coverage",
		"user", "group", "capability", "role", "settings", "notification", "work", "trash",
		"draftworkspace", "playbook", "deleteoperation", "workspace", "publicdashboard",
		"relationship", "sighting", "pir":
		return true
	}
	return observable(kind)
}

// observable says whether a type is a STIX cyber observable to OpenCTI. Those
// carry author, labels, score and references under other keys than the rest.
func observable(kind string) bool {
	switch kind {
	case "autonomous-system", "directory", "domain-name", "email-addr", "email-message",
		"email-mime-part-type", "artifact", "file", "x509-certificate", "ipv4-addr",
		"ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url",
		"user-account", "windows-registry-key", "windows-registry-value-type", "hostname",
		"cryptographic-key", "cryptocurrency-wallet", "text", "user-agent", "bank-account",
		"phone-number", "credential", "tracking-number", "payment-card", "media-content",
		"simple-observable", "persona", "ssh-key", "ai-prompt", "imei", "iccid", "imsi":
		return true
	}
	return false
}
