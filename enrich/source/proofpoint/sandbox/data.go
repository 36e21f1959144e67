package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// dice are numbers that depend on a text and nothing else.
type dice [sha256.Size]byte

// roll makes the dice of a text.
func roll(text string) dice { return sha256.Sum256([]byte(text)) }

// below is the i-th number, from 0 to n-1.
func (d dice) below(i, n int) int {
	return int(binary.BigEndian.Uint16(d[2*(i%(len(d)/2)):])) % n
}

// answer invents what is known, with dates shortly before now.
func (c call) answer(now time.Time, notFound float64) any {
	unknown := float64(binary.BigEndian.Uint32(roll("known "+c.value).first4())) < notFound*(1<<32)
	d := roll(c.String())
	switch {
	case unknown && (c.endpoint == "sample" || c.endpoint == "ip.asn"):
		return struct{}{}
	case unknown:
		return []any{}
	}
	switch c.endpoint {
	case "ip.reputation", "domain.reputation":
		return reputation(d)
	case "ip.domains":
		return seen(d, now, "domain", domainName)
	case "domain.ips":
		return seen(d, now, "ip", address)
	case "ip.samples", "domain.samples":
		return seen(d, now, "source", md5)
	case "ip.geoloc":
		return []any{place(d, c.value)}
	case "ip.asn":
		return network(d)
	}
	return file(d, c.value, now)
}

// first4 are the bytes for one 32-bit number.
func (d dice) first4() []byte { return d[:4] }

// reputation is one to three categories.
func reputation(d dice) []any {
	categories := []string{"CnC", "Bot", "Scanner", "Spam", "Brute_Forcer", "Drop", "DriveBySrc", "TorNode", "Proxy", "Compromised"}
	var rows []any
	start := d.below(0, len(categories))
	for i := range 1 + d.below(1, 3) {
		rows = append(rows, map[string]any{
			"category": categories[(start+i)%len(categories)],
			"score":    d.below(2+i, 128),
		})
	}
	return rows
}

// seen is one to four rows with dates. Every fourth or so was last seen more
// than half a year ago.
func seen(d dice, now time.Time, field string, value func(dice) string) []any {
	var rows []any
	for i := range 1 + d.below(0, 4) {
		row := roll(fmt.Sprintf("%x %d", d, i))
		last := row.below(1, 20)
		if row.below(2, 4) == 0 && i > 0 {
			last += 200
		}
		rows = append(rows, map[string]any{
			field:        value(row),
			"first_seen": date(now, last+1+row.below(3, 90)),
			"last_seen":  date(now, last),
		})
	}
	return rows
}

// date is so many days before now.
func date(now time.Time, days int) string {
	return now.UTC().AddDate(0, 0, -days).Format(time.DateOnly)
}

// domainName is below one of the domains for documentation.
func domainName(d dice) string {
	parents := []string{"example.com", "example.net", "example.org"}
	return fmt.Sprintf("c2-%x.%s", d[8:11], parents[d.below(4, len(parents))])
}

// address is in one of the networks for documentation.
func address(d dice) string {
	networks := []string{"192.0.2.%d", "198.51.100.%d", "203.0.113.%d"}
	return fmt.Sprintf(networks[d.below(4, len(networks))], 1+d.below(5, 254))
}

// md5 has the form of one.
func md5(d dice) string { return hex.EncodeToString(d[:16]) }

// place is a town in a real country.
func place(d dice, ip string) any {
	places := []struct{ code, country, city string }{
		{"US", "United States", "Exampleville"}, {"DE", "Germany", "Musterstadt"},
		{"FR", "France", "Exempleville"}, {"NL", "Netherlands", "Voorbeeldstad"},
		{"JP", "Japan", "Reimachi"}, {"BR", "Brazil", "Exemplopolis"},
	}
	p := places[d.below(0, len(places))]
	return map[string]any{
		"ip": ip, "country_code": p.code, "country": p.country, "city": p.city,
		"latitude":  float64(d.below(1, 1200))/10 - 60,
		"longitude": float64(d.below(2, 3600))/10 - 180,
	}
}

// network has one of the numbers for documentation (RFC 5398).
func network(d dice) any {
	number := 64496 + d.below(0, 16)
	return map[string]any{
		"asn": number, "owner": fmt.Sprintf("EXAMPLE-NET-%d", number),
		"authorizer": "ripe", "country": "NL", "registration_date": "2012-04-05",
	}
}

// file is a sample that somebody submitted within the last year.
func file(d dice, md5 string, now time.Time) any {
	return map[string]any{
		"md5sum":      md5,
		"sha256":      hex.EncodeToString(d[:]),
		"file_size":   1024 + 16*d.below(0, 65536),
		"file_type":   "PE32 executable (GUI) Intel 80386, for MS Windows",
		"submit_date": now.UTC().AddDate(0, 0, -d.below(1, 365)).Format(time.DateOnly) + " 04:00:00",
	}
}
