package stixconv

// allowed says whether OpenCTI's schema has the relationship between two kinds.
// It refuses the others at import, so they are better not sent. What follows is
// the part of the platform's stixCoreRelationshipsMapping (opencti-graphql,
// src/database/stix.ts) that enrichment can meet. Notably, a file communicates
// with addresses and domains but not with URLs, a domain has no place, and an
// organization owns no address. "related-to" fits all.
func allowed(source, relationship, target string) bool {
	switch relationship {
	case "related-to":
		return true
	case "resolves-to":
		return resolves(source, target)
	case "belongs-to":
		return address(source) && (target == "autonomous-system" || organization(target)) ||
			source == "domain-name" && organization(target)
	case "located-at":
		return located(source, target)
	case "communicates-with":
		return communicates(source, target)
	case "drops", "downloads":
		return target == "file" && (source == "file" || source == "malware" || source == "hostname" && relationship == "drops")
	case "derived-from":
		switch source {
		case "ipv4-addr", "ipv6-addr", "domain-name", "url", "file", "hostname", "software", "city", "country",
			"vulnerability", "attack-pattern", "malware", "tool", "campaign", "intrusion-set", "indicator":
			return source == target
		}
	case "based-on":
		return source == "indicator" && observable(target)
	case "consists-of":
		return source == "infrastructure" && observable(target)
	case "indicates":
		return source == "indicator" && threat(target)
	case "has":
		return target == "vulnerability" && (source == "software" || organization(source) || source == "infrastructure" || source == "tool")
	case "exploits":
		return source == "malware" && target == "vulnerability"
	case "targets":
		return targets(source, target)
	case "uses":
		return uses(source, target)
	case "attributed-to":
		return source == "intrusion-set" && target == "threat-actor" ||
			source == "campaign" && (target == "intrusion-set" || target == "threat-actor")
	case "authored-by":
		return source == "malware" && (target == "intrusion-set" || target == "threat-actor")
	case "variant-of":
		return source == "malware" && target == "malware"
	}
	return false
}

func address(kind string) bool { return kind == "ipv4-addr" || kind == "ipv6-addr" }

// organization takes the kind as things and as objects have it.
func organization(kind string) bool { return kind == "organization" || kind == "identity" }

// threat is what an indicator may point to.
func threat(kind string) bool {
	switch kind {
	case "attack-pattern", "campaign", "infrastructure", "intrusion-set", "malware", "threat-actor", "tool", "vulnerability":
		return true
	}
	return false
}

func resolves(source, target string) bool {
	switch source {
	case "domain-name":
		return address(target) || target == "domain-name" || target == "hostname"
	case "hostname":
		return address(target) || target == "domain-name"
	case "ipv4-addr", "ipv6-addr":
		return target == "mac-addr"
	}
	return false
}

func communicates(source, target string) bool {
	switch source {
	case "file", "artifact", "hostname":
		return address(target) || target == "domain-name"
	case "malware", "infrastructure":
		return address(target) || target == "domain-name" || target == "url"
	case "ipv4-addr":
		return target == "ipv4-addr"
	}
	return false
}

func located(source, target string) bool {
	switch source {
	case "ipv4-addr", "ipv6-addr", "identity", "organization", "sector", "threat-actor", "infrastructure":
		return target == "city" || target == "country" || target == "region" ||
			target == "administrative-area" || target == "position"
	case "city", "administrative-area", "position":
		return target == "country" || target == "region"
	case "country":
		return target == "region"
	}
	return false
}

func targets(source, target string) bool {
	switch source {
	case "malware", "campaign", "intrusion-set", "threat-actor", "tool", "attack-pattern":
		return target == "vulnerability" || organization(target) || target == "sector" || target == "country" ||
			target == "city" || target == "region"
	case "file":
		return target == "vulnerability"
	}
	return false
}

func uses(source, target string) bool {
	switch source {
	case "malware", "campaign", "intrusion-set", "threat-actor":
		switch target {
		case "attack-pattern", "malware", "tool":
			return true
		case "infrastructure":
			return true
		case "file":
			return source == "intrusion-set" || source == "threat-actor"
		}
	case "attack-pattern":
		return target == "malware" || target == "tool"
	case "file", "artifact", "hostname", "tool":
		return target == "attack-pattern"
	}
	return false
}

// kindOf is an object's STIX type, or for locations what OpenCTI divides them
// into, since its schema does.
func kindOf(o Object) string {
	kind := text(o, "type")
	if kind != "location" {
		return kind
	}
	sort := text(o, "x_opencti_location_type")
	if sort == "" {
		sort = text(extension(o, mainExtension), "type")
	}
	switch sort {
	case "Country":
		return "country"
	case "City":
		return "city"
	case "Region":
		return "region"
	case "Administrative-Area":
		return "administrative-area"
	case "Position":
		return "position"
	}
	for _, key := range [...]string{"city", "country", "region"} {
		if text(o, key) != "" {
			return key
		}
	}
	return "position"
}
