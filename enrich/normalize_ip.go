package enrich

import (
	"net/netip"
	"strings"
)

// NormalizeIPv4 gives the one spelling of an IPv4 address. It takes defanged
// input ("192[.]0[.]2[.]1") and an IPv4 address in IPv6 clothes
// ("::ffff:192.0.2.1"). An octet with a leading zero is refused: half the world
// reads it as octal. The error is an *InputError.
func NormalizeIPv4(value string) (string, error) {
	addr, err := netip.ParseAddr(refang(value))
	if addr = addr.Unmap(); err != nil || !addr.Is4() {
		return "", invalid(value, "an IPv4 address", "four numbers up to 255 without leading zeros")
	}
	return addr.String(), nil
}

// NormalizeIPv6 gives the one spelling of an IPv6 address (RFC 5952). Square
// brackets around it are taken off. Zones are refused: they mean nothing
// elsewhere. So is an IPv4 address in IPv6 clothes: it is asked about as what it
// is, or its answer would be paid for twice. The error is an *InputError.
func NormalizeIPv6(value string) (string, error) {
	text := refang(value)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		text = inner[:len(inner)-1]
	}
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil || !addr.Is6() || addr.Zone() != "":
		return "", invalid(value, "an IPv6 address", "groups of hexadecimal digits, no zone")
	case addr.Is4In6():
		return "", invalid(value, "an IPv6 address", "it is the IPv4 address "+addr.Unmap().String())
	}
	return addr.String(), nil
}

// IsPrivate is true for IPv4 and IPv6 addresses that are nobody's on the
// internet. The ranges for documentation and benchmarks are not among them, so
// that examples and tests can be asked about.
func IsPrivate(address string) bool {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	if addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() {
		return true
	}
	for _, block := range []string{"0.0.0.0/8", "100.64.0.0/10", "240.0.0.0/4", "fec0::/10"} {
		if netip.MustParsePrefix(block).Contains(addr) {
			return true
		}
	}
	return false
}
