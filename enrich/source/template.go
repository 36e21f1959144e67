package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// template is a text with {value}, {params.name} and {secrets.name} in it; in
// the request of a batch with {values} in place of {value}.
type template struct {
	literals []string // one more than holes
	holes    []hole
}

// hole is a place to be filled.
type hole struct{ group, name string }

// parseTemplate reads a text. Braces that are no hole are an error, so that a
// misspelt one is not sent to the provider.
func parseTemplate(text string) (template, error) {
	var t template
	rest := 0
	form := regexp.MustCompile(`\{(?:(values?)|(params|secrets)\.([a-z][a-z0-9_]*))\}`)
	for _, at := range form.FindAllStringSubmatchIndex(text, -1) {
		t.literals = append(t.literals, text[rest:at[0]])
		h := hole{group: "value"}
		if at[2] >= 0 {
			h.group = text[at[2]:at[3]]
		}
		if at[4] >= 0 {
			h = hole{group: text[at[4]:at[5]], name: text[at[6]:at[7]]}
		}
		t.holes = append(t.holes, h)
		rest = at[1]
	}
	t.literals = append(t.literals, text[rest:])
	for _, literal := range t.literals {
		if strings.ContainsAny(literal, "{}") {
			return t, fmt.Errorf("%q holds a brace that is not {value}, {params.…} or {secrets.…}", text)
		}
	}
	return t, nil
}

// fill puts what the holes stand for into the text, each through escape.
func (t template) fill(v values, escape func(string) string) string {
	if len(t.holes) == 0 {
		return t.literals[0]
	}
	var out strings.Builder
	for i, h := range t.holes {
		out.WriteString(t.literals[i])
		out.WriteString(escape(v.get(h)))
	}
	out.WriteString(t.literals[len(t.holes)])
	return out.String()
}

// isAbsent says that the text is a parameter and nothing else, and that nobody
// has set it: APIs take what is empty for something else than what is not there.
func (t template) isAbsent(v values) bool {
	if len(t.holes) != 1 || t.holes[0].group != "params" || t.literals[0]+t.literals[1] != "" {
		return false
	}
	p, set := v.params[t.holes[0].name]
	return !set || p == nil || p == ""
}

// names lists the holes of a group.
func (t template) names(group string) (all []string) {
	for _, h := range t.holes {
		if h.group == group && !slices.Contains(all, h.name) {
			all = append(all, h.name)
		}
	}
	return all
}

// values is what holes are filled with.
type values struct {
	value   string
	values  []string // of a batch
	params  map[string]any
	secrets func(name string) string
}

func (v values) get(h hole) string {
	switch h.group {
	case "params":
		if p, set := v.params[h.name]; set && p != nil {
			return fmt.Sprint(p)
		}
		return ""
	case "secrets":
		return v.secrets(h.name)
	case "values":
		return strings.Join(v.values, ",")
	}
	return v.value
}

func plainText(s string) string { return s }

// isValues says that the text is {values} and nothing else.
func (t template) isValues() bool {
	return len(t.holes) == 1 && t.holes[0].group == "values" && t.literals[0] == "" && t.literals[1] == ""
}
