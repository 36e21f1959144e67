package stixconv

// thingID is the id of a normalized thing. An indicator's is made of its
// pattern, which only the whole of the facts can tell.
func thingID(t *Thing) string {
	switch t.Type {
	case "file":
		algorithm, _ := idHash(t.Hashes)
		return mustID("file", Object{"hashes": map[string]any{algorithm: t.Hashes[algorithm]}})
	case "x509-certificate":
		return certificateID(t)
	case "software":
		return softwareID(t)
	case "autonomous-system":
		return AutonomousSystemID(t.Number)
	case "country":
		return LocationID(t.Name, "Country")
	case "city":
		return LocationID(t.Name, "City")
	case "region":
		return LocationID(t.Name, "Region")
	case "organization":
		return IdentityID(t.Name, "organization")
	case "sector":
		return IdentityID(t.Name, "class")
	case "attack-pattern":
		return AttackPatternID(t.Name, t.MITRE)
	case "threat-actor":
		return ThreatActorID(t.Name)
	case "vulnerability", "malware", "tool", "infrastructure", "intrusion-set", "campaign":
		return NameID(t.Type, t.Name)
	}
	return ValueID(t.Type, t.Value)
}

// ThreatActorID is the id of a threat actor that is a group.
func ThreatActorID(name string) string {
	return textID("threat-actor", "name", fold(name), "opencti_type", "Threat-Actor-Group")
}

func certificateID(t *Thing) string {
	contributing := Object{}
	if algorithm, ok := idHash(t.Hashes); ok {
		contributing["hashes"] = map[string]any{algorithm: t.Hashes[algorithm]}
	}
	if t.Serial != "" {
		contributing["serial_number"] = t.Serial
	}
	return mustID("x509-certificate", contributing)
}

func softwareID(t *Thing) string {
	contributing := Object{"name": t.Name}
	for key, value := range map[string]string{"cpe": t.CPE, "vendor": t.Vendor, "version": t.Version} {
		if value != "" {
			contributing[key] = value
		}
	}
	return mustID("software", contributing)
}
