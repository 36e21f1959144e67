package stixconv

// allowed says whether OpenCTI's schema has the relationship between two kinds.
// It refuses the others at import, so they are better not sent. The table is
// the part of the platform's that enrichment can meet. Notably, a file
// communicates with addresses and domains but not with URLs, and a domain has
// no place. "related-to" fits all.
func allowed(source, relationship, target string) bool {
	switch relationship {
	case "related-to":
		return true
	case "resolves-to":
		return resolves(source, target)
	case "belongs-to":
		return address(source) && target == "autonomous-system"
	case "located-at":
		return located(source, target)
	case "communicates-with":
		switch source {
		case "file", "artifact", "hostname":
			return address(target) || target == "domain-name"
		case "malware":
			return address(target) || target == "domain-name" || target == "url"
		}
	case "drops", "downloads":
		return target == "file" && (source == "file" || source == "malware")
	case "derived-from":
		switch source {
		case "ipv4-addr", "ipv6-addr", "domain-name", "url", "file", "hostname", "city", "country":
			return source == target
		}
	}
	return false
}

func address(kind string) bool { return kind == "ipv4-addr" || kind == "ipv6-addr" }

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

func located(source, target string) bool {
	switch source {
	case "ipv4-addr", "ipv6-addr", "identity":
		return target == "city" || target == "country" || target == "region" ||
			target == "administrative-area" || target == "position"
	case "city", "administrative-area", "position":
		return target == "country" || target == "region"
	case "country":
		return target == "region"
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
