package stixconv

import "strconv"

// stixType is the type of the object that a thing becomes.
func stixType(kind string) string {
	switch kind {
	case "country", "city", "region":
		return "location"
	case "organization", "sector":
		return "identity"
	}
	return kind
}

// fill writes what a normalized thing is into its object.
func (t *Thing) fill(o Object) {
	switch t.Type {
	case "file":
		o["hashes"] = hashMembers(t.Hashes)
		set(o, "name", t.Name)
		if t.Size > 0 {
			o["size"] = t.Size
		}
	case "x509-certificate":
		t.fillCertificate(o)
	case "autonomous-system":
		o["number"], o["name"] = t.Number, t.Name
		set(o, "rir", t.RIR)
	case "software":
		o["name"] = t.Name
		set(o, "vendor", t.Vendor)
		set(o, "version", t.Version)
		set(o, "cpe", t.CPE)
	case "country":
		// The country's name and code only: a city or a position here would
		// move the whole country on everybody's map.
		o["name"], o["country"] = t.Name, t.CountryCode
		o["x_opencti_location_type"] = "Country"
		o["x_opencti_aliases"] = []any{t.CountryCode}
	case "city":
		o["name"], o["city"], o["country"] = t.Name, t.Name, t.CountryCode
		o["x_opencti_location_type"] = "City"
		if t.HasPosition {
			o["latitude"], o["longitude"] = t.Latitude, t.Longitude
		}
	case "region":
		o["name"], o["region"], o["x_opencti_location_type"] = t.Name, t.Name, "Region"
	case "organization":
		o["name"], o["identity_class"] = t.Name, "organization"
	case "sector":
		o["name"], o["identity_class"] = t.Name, "class"
	default:
		if observable(t.Type) {
			o["value"] = t.Value
		} else {
			t.fillNamed(o)
		}
	}
	t.fillCommon(o)
}

// fillNamed is for the objects that STIX calls domain objects.
func (t *Thing) fillNamed(o Object) {
	o["name"] = t.Name
	switch t.Type {
	case "attack-pattern":
		set(o, "x_mitre_id", t.MITRE)
	case "malware":
		o["is_family"] = t.Family
		setList(o, "malware_types", t.Kinds)
	case "tool":
		setList(o, "tool_types", t.Kinds)
	case "infrastructure":
		setList(o, "infrastructure_types", t.Kinds)
	case "threat-actor":
		setList(o, "threat_actor_types", t.Kinds)
	}
	if t.Type != "vulnerability" {
		setList(o, "aliases", t.Aliases)
	}
}

func (t *Thing) fillCertificate(o Object) {
	if len(t.Hashes) > 0 {
		o["hashes"] = hashMembers(t.Hashes)
	}
	set(o, "serial_number", t.Serial)
	set(o, "issuer", t.Issuer)
	set(o, "subject", t.Subject)
	set(o, "validity_not_before", timestamp(t.NotBefore))
	set(o, "validity_not_after", timestamp(t.NotAfter))
}

// fillCommon writes what OpenCTI keeps on every kind, under the kind's keys.
func (t *Thing) fillCommon(o Object) {
	labels, description := labelsAttribute().plain, "description"
	if observable(t.Type) {
		labels, description = labelsAttribute().observable, "x_opencti_description"
	}
	setList(o, labels, cleanList(t.Labels))
	set(o, description, t.Description)
	if t.Score != nil && (observable(t.Type) || t.Type == "indicator") {
		o["x_opencti_score"] = percent(*t.Score)
	}
}

func percent(score int) int { return min(100, max(0, score)) }

func set(o Object, key, value string) {
	if value = clean(value); value != "" {
		o[key] = value
	}
}

func setList(o Object, key string, values []string) {
	if len(values) == 0 {
		return
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	o[key] = list
}

func hashMembers(hashes map[string]string) map[string]any {
	out := make(map[string]any, len(hashes))
	for algorithm, value := range hashes {
		out[algorithm] = value
	}
	return out
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
