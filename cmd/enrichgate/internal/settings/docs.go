package settings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const tableHead = "| Parameter | `config.yml` | environment | default | description |\n| --- | --- | --- | --- | --- |\n"

// MarkdownTable is the README's tables of settings: those of the process; the
// family that every source has, once; the sources with what differs; and the
// settings that only one source has.
func MarkdownTable(sources []SourceSpec) string {
	var process, family, own strings.Builder
	common := map[string]bool{}
	for _, s := range Table(sources) {
		switch {
		case s.Source == "":
			process.WriteString(s.line())
		case s.Own && !s.Secret:
			own.WriteString(s.line())
		case s.Own || s.Endpoint != "" && s.Endpoint != first(sources, s.Source).Name:
		case !common[s.suffix(sources)]:
			common[s.suffix(sources)] = true
			family.WriteString(s.general(sources).line())
		}
	}
	return tableHead + process.String() +
		"\nEvery source has these, under its own prefix and section:\n\n" + tableHead + family.String() +
		"\n" + sourceTable(sources) +
		"\nSettings of single sources:\n\n" + tableHead + own.String()
}

// sourceTable is what differs between sources.
func sourceTable(sources []SourceSpec) string {
	var b strings.Builder
	b.WriteString("| Source | `<source>` in `config.yml` | `<SOURCE>` | key | default quota | scope | calls (units) | also read |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, spec := range sources {
		keys := "none"
		for i, one := range spec.Secrets {
			text := code(spec.env(one.Env, one.Name))
			if one.Optional {
				text += " (optional)"
			}
			if i > 0 {
				text = keys + ", " + text
			}
			keys = text
		}
		var calls []string
		for _, e := range spec.Endpoints {
			calls = append(calls, fmt.Sprintf("%s (%d)", e.Name, e.Units))
		}
		var also []string
		for _, alias := range slices.Sorted(maps.Keys(spec.Aliases)) {
			also = append(also, code(alias)+" as "+code(spec.Aliases[alias]))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", spec.Title, code(spec.Name), code(strings.TrimSuffix(spec.prefix(), "_")), keys,
			code(orNone(spec.Quota)), strings.Join(spec.Scope, ", "), strings.Join(calls, ", "), strings.Join(also, ", "))
	}
	return b.String()
}

// first is the first call of a source.
func first(sources []SourceSpec, name string) EndpointSpec {
	spec := specOf(sources, name)
	if len(spec.Endpoints) == 0 {
		return EndpointSpec{}
	}
	return spec.Endpoints[0]
}

func specOf(sources []SourceSpec, name string) SourceSpec {
	i := slices.IndexFunc(sources, func(s SourceSpec) bool { return s.Name == name })
	if i < 0 {
		return SourceSpec{}
	}
	return sources[i]
}

// suffix is the name without the source's prefix, and without the endpoint.
func (s Setting) suffix(sources []SourceSpec) string {
	name := strings.TrimPrefix(s.Name, specOf(sources, s.Source).prefix())
	if s.Endpoint != "" {
		name = strings.TrimSuffix(name, (EndpointSpec{Name: s.Endpoint}).suffix()) + "<ENDPOINT>"
	}
	return name
}

// general is a setting of a source as one of every source's.
func (s Setting) general(sources []SourceSpec) Setting {
	suffix := s.suffix(sources)
	g := s
	g.Name, g.YAML, g.Title = "<SOURCE>_"+suffix, "<source>."+strings.ToLower(suffix), strings.ToUpper(s.Common[:1])+s.Common[1:]
	if s.Endpoint != "" {
		g.Title = strings.TrimSuffix(g.Title, s.Endpoint) + "an endpoint"
	}
	for _, other := range Table(sources) {
		if other.Source == "" || other.suffix(sources) != suffix {
			continue
		}
		if other.Default != s.Default || other.DefaultNote != s.DefaultNote {
			g.Default, g.DefaultNote = "", "the source's own"
		}
	}
	return g
}

func code(s string) string {
	if s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// line is the setting's row of a Markdown table.
func (s Setting) line() string {
	def := s.DefaultNote
	switch {
	case s.Required:
		def = "**required**"
	case s.Default != "":
		def = code(s.Default)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", s.Title, code(s.YAML), code(s.Name), cmp.Or(def, "–"), s.description())
}

// description is the help with the possible values and, for a secret, the file.
func (s Setting) description() string {
	text := s.Help
	if s.Kind == KindEnum && len(s.Values) > 1 {
		text += " One of " + strings.Join(s.Values, ", ") + "."
	}
	if s.Secret {
		text += " Also from the file that `" + s.Name + "_FILE` names."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

// sample is the value that the sample files show.
func (s Setting) sample() string { return cmp.Or(s.Default, s.Example, "ChangeMe") }

// sampled are the settings that the sample files show, and whether they ask for
// a value. The first source is there in full, of the others what differs.
func sampled(sources []SourceSpec) (all []Setting, asked map[string]bool) {
	asked = map[string]bool{}
	for _, s := range Table(sources) {
		lead := len(sources) > 0 && s.Source == sources[0].Name
		if s.Endpoint != "" || s.Source != "" && !lead && !s.Own && s.Common != "quota" {
			continue
		}
		asked[s.Name] = s.Required || lead && s.Secret && !s.Optional
		all = append(all, s)
	}
	return all, asked
}

// EnvSample is the file .env.sample.
func EnvSample(sources []SourceSpec) string {
	var b strings.Builder
	b.WriteString(`# Settings of enrichgate as environment variables.
# What is ChangeMe must be written; what is commented out shows its default or an example.
# Each secret can be read from a file instead: OPENCTI_TOKEN_FILE=/run/secrets/opencti_token
`)
	group := ""
	all, asked := sampled(sources)
	for _, s := range all {
		if s.Group != group {
			group = s.Group
			b.WriteString("\n## " + group + "\n")
		}
		b.WriteString("\n# " + s.sampleHelp() + "\n")
		if !asked[s.Name] {
			b.WriteString("# ")
		}
		b.WriteString(s.Name + "=" + shellQuoted(s.sample()) + "\n")
	}
	return b.String()
}

// shellQuoted is a value as a shell takes it for one word; Docker Compose reads
// it too.
func shellQuoted(value string) string {
	if !strings.ContainsAny(value, " \t\"'\\$`&|;<>(){}[]*?!~#") {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// YAMLSample is the file config.yml.sample.
func YAMLSample(sources []SourceSpec) string {
	var b strings.Builder
	b.WriteString(`# Settings of enrichgate; an environment variable of the same meaning wins.
# What is ChangeMe must be written; what is commented out shows its default or an example.
# Each secret can be read from a file instead: token_file: /run/secrets/opencti_token
`)
	section := ""
	all, asked := sampled(sources)
	for _, s := range all {
		sec, key, ok := strings.Cut(s.YAML, ".")
		if !ok {
			continue
		}
		if sec != section {
			section = sec
			b.WriteString("\n" + section + ":\n")
		} else {
			b.WriteString("\n")
		}
		b.WriteString("  # " + s.sampleHelp() + "\n  ")
		if !asked[s.Name] {
			b.WriteString("# ")
		}
		b.WriteString(key + ": " + yamlSample(s.Kind, s.sample()) + "\n")
	}
	return b.String() + connectorsSample(sources)
}

// connectorsSample shows the list, which has no place in the environment.
func connectorsSample(sources []SourceSpec) string {
	if len(sources) == 0 {
		return ""
	}
	return `
# Any number of connectors in one process, instead of id, source, name and scope
# above; what an entry leaves out is taken from there.
# connectors:
#   - id: 'ChangeMe'
#     source: '` + sources[0].Name + `'
#   - id: 'ChangeMe'
#     source: '` + sources[len(sources)-1].Name + `'
#     name: 'The name that analysts see'
#     max_tlp: 'TLP:GREEN'
`
}

// sampleHelp is the help with the possible values.
func (s Setting) sampleHelp() string {
	text := s.Help
	if s.Kind == KindEnum && len(s.Values) > 1 {
		text += " One of " + strings.Join(s.Values, ", ") + "."
	}
	if s.DefaultNote != "" && !s.Required {
		text += " Default: " + s.DefaultNote + "."
	}
	return text
}

// yamlSample is a value as config.yml spells it.
func yamlSample(k Kind, value string) string {
	switch k {
	case KindBool, KindInt:
		return value
	case KindBoolOrPEM:
		if value == "true" || value == "false" {
			return value
		}
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}
