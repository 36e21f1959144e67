package proofpoint

import (
	"errors"
	"strings"
	"unicode"
)

// failure makes an error for people: one line of bounded length, without the
// key, even if the provider sent it back to us.
func (s *Source) failure(text string) error {
	return errors.New(oneLine(strings.ReplaceAll(text, s.key(), redacted), 240))
}

// oneLine replaces what does not print by spaces and cuts after most characters.
func oneLine(text string, most int) string {
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
