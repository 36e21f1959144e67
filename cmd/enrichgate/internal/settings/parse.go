package settings

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/logging"
)

// target is what a parser writes to.
type target struct {
	*Settings
	dir   string // what relative paths start from
	files bool   // whether files that values name are to be read
}

// parser reads a value into its field and returns it in its one canonical form.
// It is never given an empty value.
type parser func(t *target, v string) (string, error)

// text accepts any printable line.
func text(field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		if strings.ContainsFunc(v, unicode.IsControl) {
			return "", errors.New("holds a control character")
		}
		*field(t.Settings) = v
		return v, nil
	}
}

// matching accepts what a pattern does; otherwise is what to say.
func matching(pattern, otherwise string, field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		if v = strings.TrimSpace(v); !regexp.MustCompile(pattern).MatchString(v) {
			return "", errors.New(otherwise)
		}
		*field(t.Settings) = v
		return v, nil
	}
}

// secret accepts anything.
func secret(field func(*Settings) *Secret) parser {
	return func(t *target, v string) (string, error) {
		*field(t.Settings) = Secret(v)
		return v, nil
	}
}

// headerSecret accepts what can be sent in an HTTP header.
func headerSecret(field func(*Settings) *Secret) parser {
	return func(t *target, v string) (string, error) {
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return "", errors.New("holds a space, a line break or a character that cannot be sent; copy it again")
		}
		*field(t.Settings) = Secret(v)
		return v, nil
	}
}

// parseBool knows the words of YAML, of Python's settings and of OpenCTI's client.
func parseBool(v string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, errors.New("not a boolean; write true or false")
}

func boolean(field func(*Settings) *bool) parser {
	return func(t *target, v string) (string, error) {
		b, err := parseBool(v)
		if err != nil {
			return "", err
		}
		*field(t.Settings) = b
		return strconv.FormatBool(b), nil
	}
}

// maybe is a boolean that may also be left to somebody else.
func maybe(field func(*Settings) **bool) parser {
	return func(t *target, v string) (string, error) {
		b, err := parseBool(v)
		if err != nil {
			return "", err
		}
		*field(t.Settings) = &b
		return strconv.FormatBool(b), nil
	}
}

func integer(least, most int, field func(*Settings) *int) parser {
	return func(t *target, v string) (string, error) {
		n, err := strconv.Atoi(strings.TrimSpace(v))
		switch {
		case strings.HasPrefix(v, "tcp://"):
			return "", errors.New("written by Kubernetes for a service of that name; rename the service or set enableServiceLinks: false")
		case err != nil || n < least || n > most:
			return "", fmt.Errorf("not a whole number from %d to %d", least, most)
		}
		*field(t.Settings) = n
		return strconv.Itoa(n), nil
	}
}

// sizeUnits are the units of sizes, the longest names first.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
	}
}

type sizeUnit struct {
	name  string
	bytes int64
}

// size accepts bytes with or without a unit: 64MiB, 1 GB, 1048576.
func size(least, most int64, field func(*Settings) *int64) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		for _, u := range sizeUnits() {
			if len(v) < len(u.name) || !strings.EqualFold(v[len(v)-len(u.name):], u.name) {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(v[:len(v)-len(u.name)]), 10, 64)
			if err != nil || n < 0 || n > most/u.bytes {
				break
			}
			if n*u.bytes < least {
				return "", fmt.Errorf("must be at least %s", shownSize(least))
			}
			*field(t.Settings) = n * u.bytes
			return v, nil
		}
		return "", fmt.Errorf("not a size up to %s; write for example 256MiB", shownSize(most))
	}
}

// shownSize is a size in the greatest unit that holds it whole.
func shownSize(n int64) string {
	for _, u := range []sizeUnit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// duration accepts what ParseDuration does, from least on and up to most.
func duration(least, most time.Duration, field func(*Settings) *time.Duration) parser {
	return func(t *target, v string) (string, error) {
		d, err := ParseDuration(v)
		switch {
		case err != nil:
			return "", err
		case d < least && d == 0:
			return "", errors.New("must be longer than zero")
		case d < least:
			return "", fmt.Errorf("must be at least %v", least)
		case d > most:
			return "", fmt.Errorf("must be at most %v", most)
		}
		*field(t.Settings) = d
		return strings.TrimSpace(v), nil
	}
}

// oneOf accepts the values in any case and keeps them as they are spelt here.
func oneOf(field func(*Settings) *string, values ...string) parser {
	return func(t *target, v string) (string, error) {
		for _, one := range values {
			if strings.EqualFold(strings.TrimSpace(v), one) {
				*field(t.Settings) = one
				return one, nil
			}
		}
		if len(values) == 1 {
			return "", errors.New("only " + values[0] + " is possible here")
		}
		return "", errors.New("write " + strings.Join(values[:len(values)-1], ", ") + " or " + values[len(values)-1])
	}
}

// logLevel accepts the levels of OpenCTI's connectors.
func logLevel(t *target, v string) (string, error) {
	l, err := logging.ParseLevel(strings.TrimSpace(v))
	if err != nil {
		return "", err
	}
	t.LogLevel = l
	return strings.ToLower(strings.TrimSpace(v)), nil
}

// list accepts words between commas; blanks and doubles are dropped.
func list(field func(*Settings) *[]string) parser {
	return func(t *target, v string) (string, error) {
		var items []string
		seen := map[string]bool{}
		for item := range strings.SplitSeq(v, ",") {
			item = strings.TrimSpace(item)
			if item == "" || seen[strings.ToLower(item)] {
				continue
			}
			if strings.ContainsFunc(item, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return "", errors.New("write words between commas, such as IPv4-Addr,Domain-Name")
			}
			seen[strings.ToLower(item)] = true
			items = append(items, item)
		}
		if len(items) == 0 {
			return "", errors.New("names nothing")
		}
		*field(t.Settings) = items
		return strings.Join(items, ","), nil
	}
}

// choice is a list of some of what there is.
func choice(from []string, field func(*Settings) *[]string) parser {
	read := list(field)
	return func(t *target, v string) (string, error) {
		canonical, err := read(t, v)
		if err != nil {
			return "", err
		}
		for _, one := range *field(t.Settings) {
			if !slices.Contains(from, one) {
				return "", fmt.Errorf("there is no %s; write some of %s", shown(one), strings.Join(from, ", "))
			}
		}
		return canonical, nil
	}
}

// tlpLevels are the levels of TLP 2.0, the mildest first.
func tlpLevels() []string {
	return []string{"TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"}
}

// tlp accepts a marking with or without "TLP:", in any case. TLP:WHITE is the
// old name of TLP:CLEAR.
func tlp(field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		name := "TLP:" + strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(v)), "TLP:")
		if name == "TLP:WHITE" {
			name = "TLP:CLEAR"
		}
		if !slices.Contains(tlpLevels(), name) {
			return "", errors.New("not a TLP; write TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED")
		}
		*field(t.Settings) = name
		return name, nil
	}
}

// connectorID accepts a UUID in its usual form.
func connectorID(t *target, v string) (string, error) {
	v = strings.TrimSpace(v)
	id, err := uuid.Parse(v)
	switch {
	case err != nil || len(v) != 36:
		return "", errors.New("not a UUID; make one with uuidgen and keep it")
	case id == uuid.Nil:
		return "", errors.New("the zero UUID names nobody; make one with uuidgen and keep it")
	}
	t.connector.ID = v
	return v, nil
}

// sourceName accepts the name of a source.
func sourceName(t *target, v string) (string, error) {
	v = strings.TrimSpace(v)
	if _, known := t.Sources[v]; !known {
		text := "there is no such source"
		if meant := closest(v, "", slices.Sorted(maps.Keys(t.Sources))); meant != "" {
			text += "; did you mean " + meant + "?"
		}
		return "", errors.New(text)
	}
	t.connector.Source = v
	return v, nil
}

// connectorName accepts what the platform does: two characters or more.
func connectorName(t *target, v string) (string, error) {
	v, err := text(func(s *Settings) *string { return &s.connector.Name })(t, v)
	if err == nil && len([]rune(v)) < 2 {
		err = errors.New("too short; the platform wants two characters or more")
	}
	return v, err
}

// folder accepts a path; a relative one starts from the working directory.
func folder(field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		v = strings.TrimSpace(v)
		switch {
		case v == "~" || strings.HasPrefix(v, "~/"):
			return "", errors.New("~ is not expanded; write the whole path")
		case strings.ContainsRune(v, 0):
			return "", errors.New("holds a control character")
		}
		*field(t.Settings) = within(t.dir, v)
		return v, nil
	}
}

// directory accepts the path of a directory that is there.
func directory(field func(*Settings) *string) parser {
	read := folder(field)
	return func(t *target, v string) (string, error) {
		canonical, err := read(t, v)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(*field(t.Settings))
		switch {
		case err != nil:
			return "", pathless(err)
		case !info.IsDir():
			return "", errors.New("not a directory")
		}
		return canonical, nil
	}
}

// within is path as seen from dir.
func within(dir, path string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// headers accepts name:value pairs between semicolons, as OpenCTI's client
// does, but refuses what that client would skip.
func headers(t *target, v string) (string, error) {
	var list []Header
	for pair := range strings.SplitSeq(v, ";") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		const special = "!#$%&'*+-.^_`|~"
		badName := func(r rune) bool {
			return (r > '~' || !unicode.IsLetter(r) && !unicode.IsDigit(r)) && !strings.ContainsRune(special, r)
		}
		if !ok || name == "" || strings.ContainsFunc(name, badName) {
			return "", errors.New("write name:value, and ; between two")
		}
		if strings.ContainsFunc(value, unicode.IsControl) {
			return "", errors.New("a header's value holds a control character")
		}
		list = append(list, Header{Name: name, Value: Secret(value)})
	}
	t.OpenCTICustomHeaders = list
	return v, nil
}

// discard is for a setting that is read before all others.
func discard(_ *target, v string) (string, error) { return v, nil }
