package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Bounds on an answer before anything is made of it, since what JSON unfolds to
// is up to sixty times its bytes.
const (
	maxDepth  = 64
	maxValues = 500_000 // ten thousand of AbuseIPDB's reports are 250,000
	maxDigits = 100     // of one number; a certificate's serial has 49
)

var (
	errNoJSON  = errors.New("something that is not JSON")
	errComplex = errors.New("JSON that is too large or too deep to be meant")
)

// decodeBody reads one JSON value. Numbers keep their digits.
func decodeBody(data []byte) (any, error) {
	if err := checkShape(data); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errNoJSON
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errNoJSON
	}
	return value, nil
}

// checkShape counts what the decoder would have to make.
func checkShape(data []byte) error {
	depth, values, digits, quoted := 0, 1, 0, false
	for i := 0; i < len(data); i++ {
		c := data[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		if c >= '0' && c <= '9' {
			if digits++; digits > maxDigits {
				return errComplex
			}
			continue
		}
		digits = 0
		switch c {
		case '"':
			quoted = true
		case '[', '{':
			depth++
			values++
		case ']', '}':
			depth--
		case ',', ':':
			values++
		}
		if depth > maxDepth || values > maxValues {
			return errComplex
		}
	}
	return nil
}
