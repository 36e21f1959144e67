package stixconv

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/mail"
	"strings"
)

// normalize checks a thing and brings it into the one form that its id is made
// of. Its type may change: an address tells by itself which kind it is.
// Hashes that are no use are left out of a file and returned as skipped.
func normalize(t *Thing) (skipped []error, err error) {
	switch t.Type {
	case "ipv4-addr", "ipv6-addr":
		t.Type, t.Value, err = normalizeIP(t.Value)
	case "domain-name", "hostname":
		t.Value, err = normalizeDomain(t.Value)
	case "url":
		t.Value, err = normalizeURL(t.Value)
	case "email-addr":
		t.Value, err = normalizeMail(t.Value)
	case "mac-addr":
		t.Value, err = normalizeMAC(t.Value)
	case "user-agent":
		t.Value, err = required(t.Value, "value")
	case "file", "x509-certificate":
		if t.Hashes, skipped = normalizeHashes(t.Hashes); len(t.Hashes) == 0 && (t.Type == "file" || t.Serial == "") {
			err = errors.New("no usable hash")
		}
	case "autonomous-system":
		if t.Number < 1 || t.Number > math.MaxUint32 {
			err = errors.New("not an AS number")
		}
		if t.Name = clean(t.Name); t.Name == "" {
			t.Name = fmt.Sprintf("AS%d", t.Number)
		}
	case "country":
		t.CountryCode, t.Name, err = country(t.CountryCode)
	case "city":
		err = normalizeCity(t)
	default:
		err = normalizeNamed(t)
	}
	t.Description, t.Aliases, t.Kinds = clean(t.Description), cleanList(t.Aliases), cleanList(t.Kinds)
	return skipped, err
}

// normalizeNamed is for all that has a name and no other rule.
func normalizeNamed(t *Thing) (err error) {
	switch t.Type {
	case "attack-pattern":
		t.MITRE = strings.ToUpper(clean(t.MITRE))
		if clean(t.Name) == "" {
			t.Name = t.MITRE
		}
	case "vulnerability":
		if name := clean(t.Name); len(name) > 4 && strings.EqualFold(name[:4], "CVE-") {
			t.Name = strings.ToUpper(name)
		}
	case "software", "region", "organization", "sector", "malware", "tool", "infrastructure",
		"intrusion-set", "threat-actor", "campaign":
	default:
		return errors.New("type not supported")
	}
	t.Name, err = required(t.Name, "name")
	return err
}

func normalizeCity(t *Thing) error {
	if t.Name = clean(t.Name); t.Name == "" {
		return errors.New("a city without a name")
	}
	var err error
	if t.CountryCode, _, err = country(t.CountryCode); err != nil {
		return err
	}
	// Written so that NaN fails, too.
	if t.HasPosition && !(math.Abs(t.Latitude) <= 90 && math.Abs(t.Longitude) <= 180) {
		return errors.New("position not on earth")
	}
	return nil
}

func normalizeMail(s string) (string, error) {
	address, err := mail.ParseAddress(strings.TrimSpace(s))
	if err != nil || address.Name != "" || !isASCII(address.Address) {
		return "", errors.New("not an e-mail address")
	}
	return address.Address, nil
}

func normalizeMAC(s string) (string, error) {
	address, err := net.ParseMAC(strings.TrimSpace(s))
	if err != nil || len(address) != 6 {
		return "", errors.New("not a MAC address")
	}
	return address.String(), nil
}

// maxName is longer than any name that means something.
const maxName = 1024

// required is a provider's word that must be there.
func required(s, what string) (string, error) {
	if s = clean(s); s == "" {
		return "", errors.New("it has no " + what)
	}
	if len(s) > maxName {
		return "", fmt.Errorf("its %s is longer than %d bytes", what, maxName)
	}
	return s, nil
}

// cleanList drops what is empty and what is there twice.
func cleanList(all []string) (kept []string) {
	seen := map[string]bool{}
	for _, s := range all {
		if s = clean(s); s != "" && !seen[s] {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	return kept
}
