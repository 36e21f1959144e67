package enrich

import (
	"fmt"
	"unicode/utf8"
)

// A value has one spelling, whoever asks for it and however it was typed: twins
// share one stored answer, and are paid for once. Each Normalize function gives
// that spelling, takes it unchanged, and refuses the rest with an *InputError of
// one line.

// invalid words why a value cannot be looked up.
func invalid(value, what, why string) error {
	return &InputError{Reason: fmt.Sprintf("%s is not %s (%s)", Shown(value), what, why)}
}

// Shown quotes a foreign value in at most 80 characters of one line.
func Shown(value string) string {
	const most = 80
	if utf8.RuneCountInString(value) > most {
		value = string([]rune(value[:min(len(value), 4*most)])[:most-1]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

// isASCII is true if no byte has its high bit set.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
