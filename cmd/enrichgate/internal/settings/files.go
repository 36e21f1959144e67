package settings

import (
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/enrichgate/enrichgate/cache"
)

const (
	maxSecretFile = 64 << 10
	maxOtherFile  = 1 << 20
)

// readFile reads a whole file of at most limit bytes. Its error does not repeat
// the path, which the caller may have to keep to itself.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathless(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, pathless(err)
	}
	if int64(len(b)) > limit {
		return nil, errors.New("larger than " + sizeText(limit))
	}
	return b, nil
}

func sizeText(n int64) string {
	if n == maxSecretFile {
		return "64 KiB"
	}
	return "1 MiB"
}

// pathless is what went wrong without the path: "no such file or directory".
func pathless(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// pemText accepts a path or, when it starts with -----BEGIN, the PEM text itself,
// and keeps the text. want is what one of the blocks must be.
func pemText(want string, field func(*Settings) *string) parser {
	return func(t *target, v string) (string, error) {
		content, err := readPEM(t, v, want)
		if err != nil {
			return "", shyOf(v, err)
		}
		*field(t.Settings) = content
		return pemShown(v), nil
	}
}

// pemKey is pemText for a private key: nothing of the value is repeated, for it
// may be the key, pasted wrongly.
func pemKey(field func(*Settings) *Secret) parser {
	return func(t *target, v string) (string, error) {
		content, err := readPEM(t, v, "PRIVATE KEY")
		if err != nil {
			return "", unshown{err}
		}
		*field(t.Settings) = Secret(content)
		return redacted, nil
	}
}

// cacheKey accepts the path of a key file, and keeps the key. It is read whatever
// the command is for: without it the cache cannot be opened.
func cacheKey(t *target, v string) (string, error) {
	v = strings.TrimSpace(v)
	key, err := cache.LoadKey(within(t.dir, v))
	if err != nil {
		return "", pathless(err)
	}
	t.CacheKey = Secret(key)
	return v, nil
}

// verify accepts a boolean, or the CA bundle to verify with.
func verify(t *target, v string) (string, error) {
	if b, err := parseBool(v); err == nil {
		t.OpenCTISSLVerify = b
		return boolText(b), nil
	}
	content, err := readPEM(t, v, "CERTIFICATE")
	if err != nil {
		return "", shyOf(v, errors.New("neither true, false nor a CA bundle: "+err.Error()))
	}
	t.OpenCTISSLVerify, t.OpenCTICA = true, content
	return pemShown(v), nil
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// isInline says whether v is PEM text rather than a path.
func isInline(v string) bool { return strings.HasPrefix(strings.TrimSpace(v), "-----BEGIN") }

// pemShown is v for people.
func pemShown(v string) string {
	if isInline(v) {
		return "[inline PEM]"
	}
	return strings.TrimSpace(v)
}

// shyOf keeps v out of the report unless it looks like a path: somebody may have
// pasted a key.
func shyOf(v string, err error) error {
	if isInline(v) || len(v) > 255 || strings.ContainsAny(v, "\r\n") {
		return unshown{err}
	}
	return err
}

// readPEM returns PEM text that holds a block whose type ends in want.
func readPEM(t *target, v, want string) (string, error) {
	content := strings.TrimSpace(v)
	if !isInline(v) {
		if !t.files {
			return "", nil
		}
		b, err := readFile(within(t.dir, content), maxOtherFile)
		if err != nil {
			return "", err
		}
		content = string(b)
	}
	for rest := []byte(content); ; {
		block, more := pem.Decode(rest)
		if block == nil {
			return "", errors.New("holds no PEM block of " + want)
		}
		if strings.HasSuffix(block.Type, want) {
			return content, nil
		}
		rest = more
	}
}
