package proofpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// envelope is what the API wraps every answer in.
type envelope struct {
	success  bool
	message  string
	response json.RawMessage // nil when there was none; "null" when it was null
}

// readEnvelope takes an object whose "success" is a bool and, when that is
// true, has a "response" that is a list, an object or null. Field names count
// to the letter, unlike in encoding/json's own reading of structs.
func readEnvelope(body []byte) (envelope, error) {
	var fields map[string]json.RawMessage
	err := json.Unmarshal(body, &fields)
	if err != nil || fields == nil {
		return envelope{}, errors.New("something that is not a JSON object")
	}
	var env envelope
	err = json.Unmarshal(fields["success"], &env.success)
	if err != nil || string(fields["success"]) == "null" {
		return envelope{}, errors.New(`an object without "success"`)
	}
	_ = json.Unmarshal(fields["message"], &env.message) // only for people
	env.response = fields["response"]
	if env.success && !strings.ContainsAny(string(first(env.response)), "[{n") {
		return envelope{}, errors.New("a success without a response")
	}
	return env, nil
}

// first is the first byte, if there is one. Raw messages start without space,
// and n can only be the start of null.
func first(raw json.RawMessage) json.RawMessage { return raw[:min(1, len(raw))] }

// empty is true for the three ways of the API to say that it knows nothing.
func (e envelope) empty() bool {
	if len(e.response) < 2 || string(e.response) == "null" {
		return true
	}
	// What is within the brackets; it is JSON, so nothing but space is nothing.
	return len(bytes.TrimSpace(e.response[1:len(e.response)-1])) == 0
}

// message is the envelope's message as a tail for an error's text.
func message(body []byte) string {
	env, err := readEnvelope(body)
	if err != nil || env.message == "" {
		return ""
	}
	return fmt.Sprintf(": %s", wire.OneLine(env.message, 120))
}
