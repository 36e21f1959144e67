package settings

import (
	"regexp"
	"strings"
)

// elsewhere says what an official setting that this daemon does not have would
// do, where an operator might count on it; empty for those that only matter to
// other types of connectors. ok is false for a name that nobody documents.
func elsewhere(name string) (what string, ok bool) {
	switch name {
	case "CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT", "CONNECTOR_AUTO_CREATE_SERVICE_ACCOUNT_CONFIDENCE_LEVEL":
		return "no account is made; OPENCTI_TOKEN is used", true
	case "HTTPS_CA_CERTIFICATES", "REQUESTS_CA_BUNDLE":
		return "name a CA bundle in OPENCTI_SSL_VERIFY or SSL_CERT_FILE", true
	case "CONNECTOR_RUN_AND_TERMINATE", "CONNECTOR_DURATION_PERIOD", "CONNECTOR_QUEUE_THRESHOLD",
		"CONNECTOR_CONFIDENCE_LEVEL", "CONNECTOR_XTM_ONE_INTENT", "CONNECTOR_UPDATE_EXISTING_DATA":
		return "", true
	}
	return "", strings.HasPrefix(name, "CONNECTOR_LIVE_STREAM_")
}

// kubernetesName matches what Kubernetes adds to a container's environment for
// each service of the namespace.
var kubernetesName = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`)

// isKubernetesLink says whether Kubernetes wrote the variable: a service named
// enrichgate must not keep the daemon from starting. A bare _PORT is only
// Kubernetes' when it holds an address, for a person may have meant a port.
func isKubernetesLink(name, value string) bool {
	return kubernetesName.MatchString(name) && (!strings.HasSuffix(name, "_PORT") || strings.Contains(value, "://") || strings.Contains(name, "_PORT_"))
}
