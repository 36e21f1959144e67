package enrich

import (
	"fmt"
	"strconv"
	"strings"
)

// NormalizeHash gives the one spelling (lower case) of a hash of the kind
// "MD5", "SHA-1", "SHA-256" or "SHA-512". The error is an *InputError.
func NormalizeHash(kind, value string) (string, error) {
	digits := map[string]int{"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128}[kind]
	hash := strings.ToLower(trimmed(value))
	if digits == 0 || len(hash) != digits || strings.Trim(hash, "0123456789abcdef") != "" {
		return "", invalid(value, "a hash of the kind "+kind, fmt.Sprintf("%d hexadecimal digits", digits))
	}
	return hash, nil
}

// NormalizeCVE gives the one spelling of a CVE id: "CVE-2021-44228". Spaces,
// underscores and long dashes are taken for hyphens. The error is an *InputError.
func NormalizeCVE(value string) (string, error) {
	text := strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' || r >= '‐' && r <= '―' || r == '−' {
			return '-'
		}
		return r
	}, trimmed(value)))
	year, number, ok := strings.Cut(strings.TrimPrefix(text, "CVE-"), "-")
	good := ok && strings.HasPrefix(text, "CVE-") && len(year) == 4 && year >= "1999" && isDigits(year) &&
		isDigits(number) && len(number) >= 4 && len(number) <= 19 && (len(number) == 4 || number[0] != '0')
	if !good {
		return "", invalid(value, "a CVE id", "as in CVE-2021-44228")
	}
	return text, nil
}

// NormalizeASN gives the one spelling of the number of an autonomous system:
// "AS64496". It takes the bare number, "ASN64496", and the dotted form
// "AS1.10" of RFC 5396. The error is an *InputError.
func NormalizeASN(value string) (string, error) {
	number, err := parseASN(value)
	if err != nil {
		return "", err
	}
	return "AS" + strconv.FormatUint(uint64(number), 10), nil
}

func parseASN(value string) (uint32, error) {
	digits := strings.ToUpper(trimmed(value))
	if rest, ok := strings.CutPrefix(digits, "AS"); ok {
		digits = strings.TrimLeft(strings.TrimPrefix(rest, "N"), " ")
	}
	high, low, dotted := strings.Cut(digits, ".")
	bits := 32
	if dotted {
		bits = 16
	} else {
		high, low = "0", digits
	}
	h, errHigh := strconv.ParseUint(high, 10, 16)
	l, errLow := strconv.ParseUint(low, 10, bits)
	if n := h<<16 | l; errHigh == nil && errLow == nil && n != 0 {
		return uint32(n), nil
	}
	return 0, invalid(value, "the number of an autonomous system", "as in AS64496, from 1 to 4294967295")
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
