package proofpoint

import (
	"errors"
	"strings"

	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// failure makes an error for people: one line of bounded length, without the
// key, even if the provider sent it back to us.
func (s *Source) failure(text string) error {
	return errors.New(wire.OneLine(strings.ReplaceAll(text, s.key(), wire.Redacted), 240))
}
