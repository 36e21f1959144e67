package cache

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"

	"github.com/enrichgate/enrichgate/cache/boltfile"
)

// ErrKey means that the file and Options.Key do not fit together. Nothing was
// changed.
var ErrKey = errors.New("the cache's key does not fit")

// entryID stands for a key in the file: short, and in an encrypted file without
// a trace of what was looked up. Two keys with one id would only displace each
// other: the record holds the whole key.
type entryID [16]byte

// guard names entries, and protects records against damage, or against reading
// and damage.
type guard interface {
	id(Key) entryID
	protect(entryID, []byte) []byte
	// unprotect's result may alias what it is given.
	unprotect(entryID, []byte) ([]byte, error)
}

// checksummed protects against damage only.
type checksummed struct{}

func (checksummed) id(k Key) entryID {
	sum := sha256.Sum256([]byte(k))
	return entryID(sum[:16])
}

func (checksummed) protect(id entryID, b []byte) []byte { return boltfile.Protect(id[:], b) }

func (checksummed) unprotect(id entryID, b []byte) ([]byte, error) {
	return boltfile.Unprotect(id[:], b)
}

// sealed is AES-256-GCM, with ids that are an HMAC of the key.
type sealed struct {
	aead   cipher.AEAD
	naming []byte
}

func newSealed(key []byte) (*sealed, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("%w: it has %d bytes, not 32", ErrKey, len(key))
	}
	sub := func(use string) ([]byte, error) { return hkdf.Key(sha256.New, key, nil, "enrichgate cache "+use, 32) }
	sealing, err1 := sub("records")
	naming, err2 := sub("names")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealed{aead, naming}, err
}

func (s *sealed) id(k Key) entryID {
	mac := hmac.New(sha256.New, s.naming)
	mac.Write([]byte(k))
	return entryID(mac.Sum(nil)[:16])
}

func (s *sealed) protect(id entryID, b []byte) []byte { return s.aead.Seal(nil, nil, b, id[:]) }

func (s *sealed) unprotect(id entryID, b []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, b, id[:])
}

// newGuard makes the guard that the key asks for; no key means checksums only.
func newGuard(key []byte) (guard, error) {
	if len(key) == 0 {
		return checksummed{}, nil
	}
	return newSealed(key)
}

// canary is a sealed word in the file, by which a wrong key is told at once.
var (
	keyCanary  = []byte("canary")
	canaryWord = []byte("enrichgate cache")
)

// plantCanary marks a new file as encrypted, if it is.
func plantCanary(tx *bolt.Tx, g guard) error {
	s, encrypted := g.(*sealed)
	if !encrypted {
		return nil
	}
	return tx.Bucket(bucketAbout).Put(keyCanary, s.protect(entryID{}, canaryWord))
}

// checkCanary says whether the guard fits the file.
func checkCanary(tx *bolt.Tx, g guard) error {
	s, encrypting := g.(*sealed)
	planted := tx.Bucket(bucketAbout).Get(keyCanary)
	switch {
	case planted == nil && !encrypting:
		return nil
	case planted == nil:
		return fmt.Errorf("%w: the file is not encrypted; export it without the key, purge it, and import with the key", ErrKey)
	case !encrypting:
		return fmt.Errorf("%w: the file is encrypted and no key was given; give the key, or delete the file and pay again", ErrKey)
	}
	if word, err := s.unprotect(entryID{}, planted); err != nil || !bytes.Equal(word, canaryWord) {
		return fmt.Errorf("%w: the file was encrypted with another key", ErrKey)
	}
	return nil
}

// LoadKey reads an encryption key from a file: 32 bytes, raw, in hexadecimal or
// in base64, the texts with white space around them if need be. The error never
// shows what the file holds.
func LoadKey(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(raw) == 32 {
		return raw, nil
	}
	text := string(bytes.TrimSpace(raw))
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawStdEncoding.DecodeString,
		base64.URLEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s is not a key: it must hold 32 bytes, raw, in hexadecimal or in base64 (try: openssl rand -hex 32)", path)
}
