package main

import (
	"regexp"
	"slices"
	"strings"
)

// bareJSON lets --json stand without fields, where it means all of them.
func bareJSON(args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if arg == "--json" && (i == len(args)-1 || strings.HasPrefix(args[i+1], "-")) {
			args[i] = "--output=json"
		}
	}
	return args
}

var suggestion = regexp.MustCompile(`^(.*), did you mean (?:one of )?(".*")\?$`)

// nearOnly leaves out of a parser's error the suggestions that are not near what
// was typed: it allows two slips, which make any short word of any other.
func nearOnly(text string) string {
	m := suggestion.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	typed := m[1][strings.LastIndex(m[1], " ")+1:]
	var near []string
	for _, one := range strings.Split(m[2], ", ") {
		if word := strings.Trim(one, `"`); strings.HasPrefix(word, typed) || long(word) && long(typed) {
			near = append(near, one)
		}
	}
	switch len(near) {
	case 0:
		return m[1]
	case 1:
		return m[1] + ", did you mean " + near[0] + "?"
	}
	return m[1] + ", did you mean one of " + strings.Join(near, ", ") + "?"
}

// long says that two slips leave enough of a word to know it by.
func long(word string) bool { return len(strings.Trim(word, "-")) >= 4 }
