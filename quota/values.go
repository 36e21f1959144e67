package quota

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Values says how the values that are asked for stand in the audit log.
type Values string

// The ways.
const (
	// ValuesPlain keeps them as they are.
	ValuesPlain Values = "plain"
	// ValuesHashed keeps a hash with a salt of this file: whoever has the file
	// and a value can look for it, and nobody can read it.
	ValuesHashed Values = "hashed"
	// ValuesNone keeps nothing of them.
	ValuesNone Values = "none"
)

func (v Values) validate() error {
	switch v {
	case ValuesPlain, ValuesHashed, ValuesNone:
		return nil
	}
	return fmt.Errorf("%q is not a way to keep values; use %s, %s or %s", v, ValuesPlain, ValuesHashed, ValuesNone)
}

// subject is the value as it stands in the audit log.
func (l *Ledger) subject(value string) string {
	switch {
	case l.opts.Values == ValuesNone || value == "":
		return ""
	case l.opts.Values == ValuesHashed:
		return hashed(l.identity.Salt, value)
	default:
		return value
	}
}

func hashed(salt []byte, value string) string {
	h := hmac.New(sha256.New, salt)
	h.Write([]byte(value))
	return "hmac:" + hex.EncodeToString(h.Sum(nil)[:16])
}
