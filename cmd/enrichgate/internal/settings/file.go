package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// systemConfig is where the file is looked for last.
const systemConfig = "/etc/enrichgate/config.yml"

// document is a configuration file, or the absence of one.
type document struct {
	path   string // as the operator knows it; empty when there is no file
	broken bool   // could not be read as a whole
	// sections are the top-level keys that are ours.
	sections []string
	// keys are the entries of all sections and of the top level, in the order of the file.
	keys []entry
	// index are the same by their path.
	index map[string]entry
}

// entry is one key of the file.
type entry struct {
	section string // empty at the top level
	key     string
	line    int
	value   *yaml.Node
}

func (e entry) path() string {
	if e.section == "" {
		return e.key
	}
	return e.section + "." + e.key
}

// where is file:line for people.
func (d *document) where(line int) string { return plain(d.path) + ":" + strconv.Itoa(line) }

// find returns the entry at section.key, or a whole section.
func (d *document) find(path string) (entry, bool) {
	e, ok := d.index[path]
	return e, ok
}

// openConfig finds and reads the file. Each problem is told to report.
func openConfig(o Options, named string, report func(Problem)) *document {
	d := &document{path: named, sections: sections(o.Sources), index: map[string]entry{}}
	candidates := []string{named}
	if named == "" {
		candidates = []string{"config.yml", systemConfig}
		if o.systemConfig != "" {
			candidates[1] = o.systemConfig
		}
	}
	for _, path := range candidates {
		content, err := readFile(within(o.Dir, path), maxOtherFile)
		if named == "" && errors.Is(err, os.ErrNotExist) {
			continue
		}
		d.path = path
		if err != nil {
			d.broken = true
			text := "cannot be read: " + err.Error()
			if info, serr := os.Stat(within(o.Dir, path)); serr == nil && info.IsDir() {
				text = "is a directory; Docker makes one when the file to mount is missing"
			}
			report(Problem{Where: plain(path), Text: text, rank: rankFile})
			return d
		}
		d.parse(content, report)
		return d
	}
	return d
}

// parse reads two levels of mappings.
func (d *document) parse(content []byte, report func(Problem)) {
	fail := func(line int, format string, args ...any) {
		report(Problem{Where: d.where(line), Text: fmt.Sprintf(format, args...), rank: rankFile + line})
	}
	dec := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	var root, second yaml.Node
	if err := dec.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) { // an empty file is fine
			d.broken = true
			line, text := yamlError(err, content)
			fail(line, "%s", text)
		}
		return
	}
	if err := dec.Decode(&second); err == nil {
		fail(second.Line, "a second document begins; only one is read")
	} else if !errors.Is(err, io.EOF) {
		d.broken = true
		line, text := yamlError(err, content)
		fail(line, "%s", text)
		return
	}
	top := root.Content[0]
	if isNull(top) {
		return
	}
	if top.Kind != yaml.MappingNode {
		d.broken = true
		fail(top.Line, "not a mapping; write sections such as opencti: with their keys below")
		return
	}
	d.mapping("", top, fail)
	for _, section := range d.keys { // the range is over the top level only: fixed before the loop
		value := deref(section.value)
		switch {
		case !slices.Contains(d.sections, section.key) || isNull(value):
		case value.Kind != yaml.MappingNode:
			fail(section.line, "%s: not a mapping; write its keys below it, indented", section.key)
		default:
			d.mapping(section.key, value, fail)
		}
	}
}

// mapping adds the entries of one mapping.
func (d *document) mapping(section string, m *yaml.Node, fail func(int, string, ...any)) {
	first := map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k := m.Content[i]
		e := entry{section: section, key: k.Value, line: k.Line, value: m.Content[i+1]}
		switch line, again := first[e.key]; {
		case k.Tag == "!!merge":
			fail(k.Line, "merge keys (<<) are not read; write the keys out")
		case k.Kind != yaml.ScalarNode:
			fail(k.Line, "a key must be a plain word")
		case again:
			fail(k.Line, "%s: given twice, first in line %d", plain(e.path()), line)
		default:
			first[e.key] = e.line
			d.keys = append(d.keys, e)
			d.index[e.path()] = e
		}
	}
}

// sections are the top-level keys that hold settings.
func sections(sources []SourceSpec) []string {
	names := []string{"opencti", "connector", "mq", "s3", "enrichgate"}
	for _, spec := range sources {
		names = append(names, spec.Name)
	}
	return names
}

// plain is a key of the file on one line.
func plain(key string) string {
	if q := shown(key); q != `"`+key+`"` {
		return q
	}
	return key
}

// deref follows an alias. An alias cannot name an alias.
func deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isNull says whether nothing was written.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Anchor == ""
}

// scalarText is a value as one string: native booleans and numbers as they are
// written, a list joined by commas when the setting takes one.
func scalarText(n *yaml.Node, list bool) (string, error) {
	n = deref(n)
	switch {
	case isNull(n):
		return "", nil
	case n.Kind == yaml.ScalarNode && n.Anchor != "" && n.Value == "" && n.Style == 0:
		return "", errors.New("starts with &, which YAML takes for an anchor; put it in quotes")
	case n.Kind == yaml.ScalarNode && !strings.HasPrefix(n.Tag, "!!"):
		return "", errors.New("starts with !, which YAML takes for a tag; put it in quotes")
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind == yaml.SequenceNode && list:
		var items []string
		for _, c := range n.Content {
			if c = deref(c); c.Kind != yaml.ScalarNode {
				return "", errors.New("a list of plain values is wanted")
			}
			items = append(items, c.Value)
		}
		return strings.Join(items, ","), nil
	case n.Kind == yaml.SequenceNode:
		return "", errors.New("one value is wanted, not a list")
	}
	return "", errors.New("one value is wanted, not a mapping")
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError is the parser's complaint as line and sentence. What it quotes of
// the file is left out: it may be a secret that begins with a star.
func yamlError(err error, content []byte) (int, string) {
	text := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		if m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
	}
	if anchor, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		// The parser's line is that of the line before, so look for the alias itself.
		anchor, _, _ = strings.Cut(anchor, "'")
		if before, _, found := bytes.Cut(content, []byte("*"+anchor)); found {
			line = 1 + bytes.Count(before, []byte("\n"))
		}
		return line, "a value starts with *, which YAML takes for an alias; put it in quotes"
	}
	return line, "not YAML: " + strings.Join(strings.Fields(text), " ")
}
