package stixconv

import "time"

// firstDate dates what has no date of its own. It is fixed, so that the same
// input gives the same bytes.
const firstDate = "2020-01-01T00:00:00.000Z"

// identity is the author's object.
func (c *conversion) identity() Object {
	return Object{
		"type":                        "identity",
		"spec_version":                "2.1",
		"id":                          c.authorID,
		"created":                     firstDate,
		"modified":                    firstDate,
		"name":                        c.author.Name,
		"identity_class":              "organization",
		"x_opencti_organization_type": "vendor",
	}
}

// timestamp is a STIX time in milliseconds, "" for one that STIX cannot express.
func timestamp(t time.Time) string {
	t = t.UTC()
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// dated is a timestamp for what must have one.
func dated(t time.Time) string {
	if s := timestamp(t); s != "" {
		return s
	}
	return firstDate
}
