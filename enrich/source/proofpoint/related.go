package proofpoint

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/enrichgate/enrichgate/enrich"
	"github.com/enrichgate/enrichgate/stixconv"
)

// thingKey tells related things apart.
type thingKey struct{ kind, value string }

// relate adds a thing, once: of a thing that is named twice the earlier start counts.
func (rd *reader) relate(value string, rel stixconv.Related) {
	key := thingKey{rel.Thing.Type, value}
	i, known := rd.known[key]
	if !known {
		rd.known[key] = len(rd.facts.Related)
		rd.facts.Related = append(rd.facts.Related, rel)
		return
	}
	old := &rd.facts.Related[i].Start
	if old.IsZero() || !rel.Start.IsZero() && rel.Start.Before(*old) {
		*old = rel.Start
	}
}

// seen reads a row's dates: when the relation started, and whether it was seen
// recently enough. Rows without dates are recent.
func (rd *reader) seen(r row) (start time.Time, recent bool, err error) {
	start, err = r.day("first_seen")
	if err != nil {
		return start, false, err
	}
	last, err := r.day("last_seen")
	if err != nil {
		return start, false, err
	}
	return start, last.IsZero() || !last.Before(rd.since), nil
}

// readDomain takes up a domain that resolved to the address.
func (rd *reader) readDomain(r row) error {
	value, err := r.text("domain")
	if err != nil {
		return err
	}
	value, err = enrich.NormalizeDomain(value)
	if err != nil {
		return err
	}
	start, recent, err := rd.seen(r)
	if err != nil || !recent {
		return err
	}
	rd.relate(value, stixconv.Related{
		Thing:        stixconv.Thing{Type: "domain-name", Value: value},
		Relationship: "resolves-to", ToEntity: true, Start: start,
	})
	return nil
}

// readAddress takes up an address that the domain resolved to, IPv4 or IPv6.
func (rd *reader) readAddress(r row) error {
	value, err := r.text("ip")
	if err != nil {
		return err
	}
	kind, normalize := "ipv4-addr", enrich.NormalizeIPv4
	if strings.Contains(value, ":") {
		kind, normalize = "ipv6-addr", enrich.NormalizeIPv6
	}
	value, err = normalize(value)
	if err != nil {
		return err
	}
	start, recent, err := rd.seen(r)
	if err != nil || !recent {
		return err
	}
	rd.relate(value, stixconv.Related{
		Thing:        stixconv.Thing{Type: kind, Value: value},
		Relationship: "resolves-to", Start: start,
	})
	return nil
}

// readSample takes up a file that talked to the address or domain.
func (rd *reader) readSample(r row) error {
	value, err := r.text("source")
	if err != nil {
		return err
	}
	value, err = enrich.NormalizeHash("MD5", value)
	if err != nil {
		return err
	}
	start, recent, err := rd.seen(r)
	if err != nil || !recent {
		return err
	}
	rd.relate(value, stixconv.Related{
		Thing:        stixconv.Thing{Type: "file", Hashes: map[string]string{"MD5": value}},
		Relationship: "communicates-with", ToEntity: true, Start: start,
	})
	return nil
}

// readPlace takes up a country and, if there is one, a city in it. Whether the
// code is a country's is not decided here (XK is none of ISO's, but in use).
func (rd *reader) readPlace(r row) error {
	code, err := r.text("country_code")
	if err != nil {
		return err
	}
	code = strings.ToUpper(code)
	if len(code) != 2 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("country_code %s is not two letters", enrich.Shown(code))
	}
	name, errCity := r.name("city", 200)
	position, errPosition := r.position()
	if errCity == nil {
		city := position
		city.Type, city.Name, city.CountryCode = "city", name, code
		rd.relate(name+" "+code, stixconv.Related{Thing: city, Relationship: "located-at"})
	}
	country := stixconv.Thing{Type: "country", CountryCode: code}
	rd.relate(code, stixconv.Related{Thing: country, Relationship: "located-at"})
	if errCity != nil && !errors.Is(errCity, errMissing) {
		return fmt.Errorf("kept without its city: %w", errCity)
	}
	if errPosition != nil {
		return fmt.Errorf("kept without its position: %w", errPosition)
	}
	return nil
}

// position reads latitude and longitude; a row may well have neither.
func (r row) position() (stixconv.Thing, error) {
	latitude, errLat := r.number("latitude")
	longitude, errLong := r.number("longitude")
	if errors.Is(errLat, errMissing) && errors.Is(errLong, errMissing) {
		return stixconv.Thing{}, nil
	}
	err := errors.Join(errLat, errLong)
	if err != nil || latitude < -90 || latitude > 90 || longitude < -180 || longitude > 180 {
		return stixconv.Thing{}, errors.New("latitude and longitude are not a place on earth")
	}
	return stixconv.Thing{HasPosition: true, Latitude: latitude, Longitude: longitude}, nil
}

// readNetwork takes up the autonomous system that the address belongs to. Its
// number is taken as 64500, "64500" and "AS64500".
func (rd *reader) readNetwork(r row) error {
	if text, err := r.text("asn"); err == nil && strings.HasPrefix(strings.ToUpper(text), "AS") {
		r["asn"] = []byte(strings.TrimSpace(text[len("AS"):]))
	}
	number, err := r.integer("asn", 1, 1<<32-1)
	if err != nil {
		return err
	}
	owner, errOwner := r.name("owner", 200)
	rd.relate("", stixconv.Related{
		Thing:        stixconv.Thing{Type: "autonomous-system", Number: number, Name: owner},
		Relationship: "belongs-to",
	})
	if errOwner != nil && !errors.Is(errOwner, errMissing) {
		return fmt.Errorf("kept without its owner: %w", errOwner)
	}
	return nil
}

// readFile takes up what completes the file that was asked about.
func (rd *reader) readFile(r row) error {
	size, errSize := r.integer("file_size", 0, 1<<53)
	if errSize == nil {
		rd.facts.Size = size
	}
	hash, errHash := r.text("sha256")
	if errHash == nil {
		hash, errHash = enrich.NormalizeHash("SHA-256", hash)
	}
	if errHash == nil {
		rd.facts.Hashes = map[string]string{"SHA-256": hash}
	}
	for _, err := range []error{errHash, errSize} {
		if err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return nil
}
