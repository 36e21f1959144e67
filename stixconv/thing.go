package stixconv

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// normalize checks a thing and brings it into the one form that its id is made
// of. Its type may change: an address tells by itself which kind it is.
// Hashes that are no use are left out of a file and returned as skipped.
func normalize(t Thing) (_ Thing, skipped []error, err error) {
	switch t.Type {
	case "ipv4-addr", "ipv6-addr":
		t.Type, t.Value, err = normalizeIP(t.Value)
	case "domain-name":
		t.Value, err = normalizeDomain(t.Value)
	case "url":
		t.Value, err = normalizeURL(t.Value)
	case "file":
		if t.Hashes, skipped = normalizeHashes(t.Hashes); len(t.Hashes) == 0 {
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
		t, err = normalizeCity(t)
	default:
		err = errors.New("type not supported")
	}
	return t, skipped, err
}

func normalizeCity(t Thing) (Thing, error) {
	if t.Name = clean(t.Name); t.Name == "" {
		return t, errors.New("a city without a name")
	}
	var err error
	if t.CountryCode, _, err = country(t.CountryCode); err != nil {
		return t, err
	}
	// Written so that NaN fails, too.
	if t.HasPosition && !(math.Abs(t.Latitude) <= 90 && math.Abs(t.Longitude) <= 180) {
		return t, errors.New("position not on earth")
	}
	return t, nil
}

// thingID is the id of a normalized thing.
func thingID(t Thing) string {
	switch t.Type {
	case "file":
		algorithm, _ := idHash(t.Hashes)
		return mustID("file", Object{"hashes": map[string]any{algorithm: t.Hashes[algorithm]}})
	case "autonomous-system":
		return AutonomousSystemID(t.Number)
	case "country":
		return LocationID(t.Name, "Country")
	case "city":
		return LocationID(t.Name, "City")
	}
	return ValueID(t.Type, t.Value)
}

// name is what a thing is called in a message about it.
func (t Thing) name() string {
	switch t.Type {
	case "file":
		algorithm, _ := idHash(t.Hashes)
		return t.Hashes[algorithm]
	case "autonomous-system":
		return strconv.FormatInt(t.Number, 10)
	case "country":
		return t.CountryCode
	case "city":
		return t.Name
	}
	return t.Value
}

// fill writes what a normalized thing is into its object.
func (t Thing) fill(o Object) {
	switch t.Type {
	case "file":
		hashes := make(map[string]any, len(t.Hashes))
		for algorithm, value := range t.Hashes {
			hashes[algorithm] = value
		}
		o["hashes"] = hashes
	case "autonomous-system":
		o["number"], o["name"] = t.Number, t.Name
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
	default:
		o["value"] = t.Value
	}
}
