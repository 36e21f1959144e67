package stixconv

import "time"

// Thing is an observable, a place or another object that a source names.
// Which fields count depends on Type:
//
//	ipv4-addr, ipv6-addr, domain-name, hostname, url,
//	email-addr, mac-addr, user-agent                  Value
//	file                                              Hashes, Name, Size
//	autonomous-system                                 Number, Name, RIR
//	x509-certificate                                  Hashes, Serial, Issuer, Subject, NotBefore, NotAfter
//	software                                          Name, Vendor, Version, CPE
//	country                                           CountryCode (ISO 3166-1 alpha-2)
//	city                                              Name, CountryCode, Latitude/Longitude when HasPosition
//	region                                            Name
//	organization, sector                              Name
//	vulnerability, malware, tool, infrastructure,
//	intrusion-set, threat-actor, campaign             Name, Aliases (not of vulnerability)
//	attack-pattern                                    Name, MITRE ("T1059")
//	indicator                                         Of (the key of an observable), ValidFrom, ValidUntil
//
// Description, Labels and Score may be on all of them where OpenCTI keeps them.
type Thing struct {
	Type        string
	Value       string
	Hashes      map[string]string
	Number      int64
	Name        string
	CountryCode string
	HasPosition bool
	Latitude    float64
	Longitude   float64

	Description string
	Labels      []string
	Score       *int
	Aliases     []string
	// Kinds are malware_types, tool_types, infrastructure_types or indicator_types.
	Kinds  []string
	Family bool // a malware that is a family and not one sample

	Size                    int64
	RIR                     string
	Vendor, Version, CPE    string
	Serial, Issuer, Subject string
	NotBefore, NotAfter     time.Time
	MITRE                   string

	Of                    string
	ValidFrom, ValidUntil time.Time
}

// name is what a thing is called in a message about it.
func (t *Thing) name() string {
	switch t.Type {
	case "file", "x509-certificate":
		algorithm, _ := idHash(t.Hashes)
		return t.Hashes[algorithm]
	case "autonomous-system":
		return decimal(t.Number)
	case "country":
		return t.CountryCode
	case "attack-pattern":
		if t.MITRE != "" {
			return t.MITRE
		}
	case "indicator":
		return t.Of
	}
	if t.Name != "" {
		return t.Name
	}
	return t.Value
}
