package opencti

import (
	"slices"
	"strings"
)

// platformScope names the types of a scope as the platform does, which compares
// them letter by letter but for case: "file" becomes "StixFile". A STIX type that
// stands for several of the platform's becomes all of them.
func platformScope(scope []string) []string {
	names := []string{}
	for _, s := range scope {
		s = strings.TrimSpace(s)
		own := platformTypes(strings.ToLower(s))
		if own == nil {
			own = []string{s}
		}
		for _, name := range own {
			if name != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
				names = append(names, name)
			}
		}
	}
	return names
}

// platformTypes are the platform's names of a STIX type, nil when they differ
// in case alone.
func platformTypes(stix string) []string {
	switch stix {
	case "file":
		return []string{"StixFile"}
	case "identity":
		return []string{"Organization", "Individual", "Sector", "System"}
	case "location":
		return []string{"Country", "City", "Region", "Administrative-Area", "Position"}
	case "threat-actor":
		return []string{"Threat-Actor-Group", "Threat-Actor-Individual"}
	}
	return nil
}
