package wire

import (
	"runtime/debug"
	"strings"
	"unicode"
)

// OneLine replaces what does not print by spaces and cuts after most characters.
func OneLine(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	runes := []rune(strings.Join(strings.Fields(text), " "))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

// UserAgent names the version that the binary was built as, or "devel".
func UserAgent() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "enrichgate/devel"
	}
	return "enrichgate/" + info.Main.Version
}
