package stixconv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hashSeparators is made once: every hash of every answer passes by here.
var hashSeparators = strings.NewReplacer("-", "", "_", "")

// hashAlgorithm gives the STIX name of a hash algorithm, however a provider
// spells it, and the length of its hex form, or 0 when that is not hex.
func hashAlgorithm(name string) (stix string, hexLength int, ok bool) {
	switch hashSeparators.Replace(strings.ToUpper(strings.TrimSpace(name))) {
	case "MD5":
		return "MD5", 32, true
	case "SHA1":
		return "SHA-1", 40, true
	case "SHA256":
		return "SHA-256", 64, true
	case "SHA512":
		return "SHA-512", 128, true
	case "SHA3256":
		return "SHA3-256", 64, true
	case "SHA3512":
		return "SHA3-512", 128, true
	case "SSDEEP":
		return "SSDEEP", 0, true
	case "TLSH":
		return "TLSH", 0, true
	}
	return "", 0, false
}

// normalizeHashes gives the usable hashes under their STIX names, hex in lower
// case, and one error for each of the others.
func normalizeHashes(hashes map[string]string) (good map[string]string, bad []error) {
	good = make(map[string]string, len(hashes))
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		algorithm, length, known := hashAlgorithm(name)
		value := strings.TrimSpace(hashes[name])
		switch {
		case value == "":
		case !known:
			bad = append(bad, reject("hash", name, "unknown algorithm"))
		case length > 0 && !isHex(value, length):
			bad = append(bad, reject(algorithm, value, fmt.Sprintf("not %d hexadecimal digits", length)))
		case length == 0 && (!isASCII(value) || len(value) > 256):
			bad = append(bad, reject(algorithm, value, "not a fuzzy hash"))
		case good[algorithm] != "":
			// Two spellings of one name: the first in order stays.
		case length > 0:
			good[algorithm] = strings.ToLower(value)
		default:
			good[algorithm] = value
		}
	}
	return good, bad
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// idHash chooses the hash that a file is known by: STIX's order, then the first by name.
func idHash(hashes map[string]string) (algorithm string, ok bool) {
	for _, preferred := range [...]string{"MD5", "SHA-1", "SHA-256", "SHA-512"} {
		if hashes[preferred] != "" {
			return preferred, true
		}
	}
	for _, other := range slices.Sorted(maps.Keys(hashes)) {
		if hashes[other] != "" {
			return other, true
		}
	}
	return "", false
}

// sameFile compares two sets of hashes under their STIX names: agree when an
// algorithm gives the same for both, differ when one gives different values.
func sameFile(a, b map[string]string) (agree, differ bool) {
	for algorithm, value := range a {
		switch other := b[algorithm]; {
		case other == "":
		case strings.EqualFold(value, other):
			agree = true
		default:
			differ = true
		}
	}
	return agree, differ
}

// hashesOf reads a file object's hashes, whatever a foreign one holds, under their STIX names.
func hashesOf(o Object) map[string]string {
	found := make(map[string]string)
	for name, value := range members(o["hashes"]) {
		if s, isText := value.(string); isText {
			found[name] = s
		}
	}
	good, _ := normalizeHashes(found)
	return good
}
