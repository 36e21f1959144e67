package settings

import (
	"cmp"
	"fmt"
	"strings"
)

// MarkdownTable is the README's table of settings:
// Parameter | config.yml | environment | default | description.
func MarkdownTable() string {
	var b strings.Builder
	b.WriteString("| Parameter | `config.yml` | environment | default | description |\n")
	b.WriteString("| --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return "`" + s + "`"
	}
	for _, s := range Table() {
		def := s.DefaultNote
		switch {
		case s.Required:
			def = "**required**"
		case s.Default != "":
			def = code(s.Default)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", s.Title, code(s.YAML), code(s.Name), cmp.Or(def, "–"), s.description())
	}
	return b.String()
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

// sample is the value that the sample files show, and whether it stands there
// as a comment: only what must be written does not.
func (s Setting) sample() (value string, comment bool) {
	return cmp.Or(s.Default, s.Example, "ChangeMe"), !s.Required
}

// EnvSample is the file .env.sample.
func EnvSample() string {
	var b strings.Builder
	b.WriteString(`# Settings of enrichgate as environment variables.
# What is ChangeMe must be written; what is commented out shows its default or an example.
# Each secret can be read from a file instead: OPENCTI_TOKEN_FILE=/run/secrets/opencti_token
`)
	group := ""
	for _, s := range Table() {
		if s.Group != group {
			group = s.Group
			b.WriteString("\n## " + group + "\n")
		}
		value, comment := s.sample()
		b.WriteString("\n# " + s.sampleHelp() + "\n")
		if comment {
			b.WriteString("# ")
		}
		b.WriteString(s.Name + "=" + value + "\n")
	}
	return b.String()
}

// YAMLSample is the file config.yml.sample.
func YAMLSample() string {
	var b strings.Builder
	b.WriteString(`# Settings of enrichgate; an environment variable of the same meaning wins.
# What is ChangeMe must be written; what is commented out shows its default or an example.
# Each secret can be read from a file instead: token_file: /run/secrets/opencti_token
`)
	section := ""
	for _, s := range Table() {
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
		value, comment := s.sample()
		b.WriteString("  # " + s.sampleHelp() + "\n  ")
		if comment {
			b.WriteString("# ")
		}
		b.WriteString(key + ": " + yamlSample(s.Kind, value) + "\n")
	}
	return b.String()
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
