package stixconv

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxComparisons bounds what a pattern may make us read.
const maxComparisons = 256

// PatternObservables reads a STIX pattern of one observation and returns the
// observables that its comparisons name, in order and once each:
//
//	[ipv4-addr:value = '198.51.100.7' OR domain-name:value = 'www.example.com']
//
// Hashes of a file that are joined by AND belong to one file. What a comparison
// says of other properties narrows the pattern and names nothing; it is left
// out. A pattern that does not name values (LIKE, MATCHES, NOT, greater than), or
// joins several observations, is an error that says so.
func PatternObservables(pattern string) ([]Object, error) {
	p := patternReader{rest: pattern}
	p.take("[")
	groups := p.or()
	p.take("]")
	p.space()
	if p.err == nil && p.rest != "" {
		p.err = errors.New("only patterns of one observation without qualifiers are read")
	}
	if p.err != nil {
		return nil, fmt.Errorf("the pattern is not understood: %w", p.err)
	}
	var found []Object
	seen := map[string]bool{}
	for _, g := range groups {
		for _, o := range g.observables() {
			if id := text(o, "id"); !seen[id] {
				seen[id] = true
				found = append(found, o)
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("the pattern names no observable by its value or hash")
	}
	return found, nil
}

// comparison is "path = value", or one value of a list.
type comparison struct{ kind, property, value string }

// group are comparisons that are true together.
type group []comparison

// observables of a group: its hashes make one file.
func (g group) observables() (all []Object) {
	hashes := map[string]string{}
	for _, c := range g {
		if algorithm, ok := strings.CutPrefix(c.property, "hashes."); ok && c.kind == "file" {
			hashes[strings.ToUpper(strings.Trim(algorithm, `'"`))] = c.value
			continue
		}
		if c.property == "value" && supportedID(c.kind+"--") {
			all = append(all, Object{"id": ValueID(c.kind, c.value), "type": c.kind, "spec_version": "2.1", "value": c.value})
		}
	}
	if id, err := FileID(hashes, ""); err == nil {
		known := map[string]any{}
		for algorithm, value := range hashes {
			known[algorithm] = value
		}
		all = append(all, Object{"id": id, "type": "file", "spec_version": "2.1", "hashes": known})
	}
	return all
}

// patternReader reads a pattern from left to right; the first error stays.
type patternReader struct {
	rest  string
	err   error
	count int
}

func (p *patternReader) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *patternReader) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// take expects a token.
func (p *patternReader) take(token string) {
	if !p.accept(token) {
		p.fail("%q is expected before %.40q", token, p.rest)
	}
}

// accept takes a sign if it is next.
func (p *patternReader) accept(token string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = rest
	}
	return ok
}

// word takes a keyword if it is next; the standard writes them in capitals.
func (p *patternReader) word(keyword string) bool {
	p.space()
	n := len(keyword)
	if len(p.rest) < n || p.rest[:n] != keyword || len(p.rest) > n && isPathByte(p.rest[n]) {
		return false
	}
	p.rest = p.rest[n:]
	return true
}

// or reads alternatives, each of which names observables of its own.
func (p *patternReader) or() (groups []group) {
	groups = p.and()
	for p.err == nil && p.word("OR") {
		groups = append(groups, p.and()...)
	}
	return groups
}

// and reads what is true together. Alternatives below an AND stay apart.
func (p *patternReader) and() (groups []group) {
	var together group
	for {
		for _, g := range p.term() {
			if len(g) == 1 {
				together = append(together, g[0])
			} else {
				groups = append(groups, g)
			}
		}
		if p.err != nil || !p.word("AND") {
			break
		}
	}
	if len(together) > 0 {
		groups = append([]group{together}, groups...)
	}
	return groups
}

// term reads one comparison, or some in parentheses.
func (p *patternReader) term() []group {
	if p.count++; p.count > maxComparisons {
		p.fail("it has more than %d comparisons", maxComparisons)
	}
	if p.err != nil {
		return nil
	}
	if p.accept("(") {
		groups := p.or()
		p.take(")")
		return groups
	}
	c := p.path()
	for _, keyword := range [...]string{"NOT", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS"} {
		if p.word(keyword) {
			p.fail("%s names no single value", keyword)
			return nil
		}
	}
	if p.word("IN") {
		return p.list(c)
	}
	if !p.accept("==") && !p.accept("=") {
		p.fail("only = and IN name values, before %.40q", p.rest)
		return nil
	}
	c.value = p.literal()
	return []group{{c}}
}

// list reads the values of IN.
func (p *patternReader) list(c comparison) (groups []group) {
	p.take("(")
	for p.err == nil {
		c.value = p.literal()
		groups = append(groups, group{c})
		if !p.accept(",") {
			break
		}
		if p.count++; p.count > maxComparisons {
			p.fail("it has more than %d comparisons", maxComparisons)
		}
	}
	p.take(")")
	return groups
}

// path reads "file:hashes.'SHA-256'".
func (p *patternReader) path() (c comparison) {
	p.space()
	kind, rest, ok := strings.Cut(p.rest, ":")
	if !ok || kind == "" || strings.IndexFunc(kind, func(r rune) bool { return r > 127 || !isPathByte(byte(r)) }) >= 0 {
		p.fail("an object path is expected before %.40q", p.rest)
		return c
	}
	end, quote := 0, byte(0)
	for end < len(rest) {
		b := rest[end]
		switch {
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '\'' || b == '"':
			quote = b
		case !isPathByte(b) && !slices.Contains([]byte(".[]*"), b):
			goto done
		}
		end++
	}
done:
	c.kind, c.property, p.rest = kind, rest[:end], rest[end:]
	return c
}

func isPathByte(b byte) bool {
	return b == '-' || b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// literal reads a value: text in quotes, or a number, which it returns as written.
func (p *patternReader) literal() string {
	p.space()
	rest, quoted := strings.CutPrefix(p.rest, "'")
	if !quoted {
		end := strings.IndexAny(p.rest, " \t\r\n)],")
		if end <= 0 {
			p.fail("a value is expected before %.40q", p.rest)
			return ""
		}
		value := p.rest[:end]
		p.rest = p.rest[end:]
		return value
	}
	var value strings.Builder
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\'':
			p.rest = rest[i+1:]
			return value.String()
		case rest[i] == '\\' && i+1 < len(rest):
			i++
		}
		value.WriteByte(rest[i])
	}
	p.fail("a value has no end")
	return ""
}

// BasedOn is the relationship of an indicator with an observable of its
// pattern. It is dated and marked as the indicator is.
func BasedOn(indicator, observable Object) Object {
	from, to := text(indicator, "id"), text(observable, "id")
	r := Object{
		"id": RelationshipID("based-on", from, to, "", ""), "type": "relationship", "spec_version": "2.1",
		"relationship_type": "based-on", "source_ref": from, "target_ref": to,
	}
	for _, key := range [...]string{"created", "modified", "object_marking_refs"} {
		if v := indicator[key]; v != nil {
			r[key] = v
		}
	}
	return r
}
