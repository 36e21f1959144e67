package clients

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// file is what stands on disk.
type file struct {
	Format  string   `json:"format"`
	Clients []record `json:"clients"`
}

// record is a client with the hash of its token.
type record struct {
	Client
	TokenSHA256 string `json:"token_sha256"`
}

const format = "enrichgate clients 1"

// read takes the file; one that is not there is empty. A file that cannot be
// understood is an error: to go on without it would lock the clients out, or,
// with the next change, forget them.
func read(path string) ([]record, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	records, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("clients: %s: %w", path, err)
	}
	return records, nil
}

// decode reads the file's bytes and checks every client in them.
func decode(b []byte) ([]record, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var f file
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("not a file of clients: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a file of clients: something follows its end")
	}
	if f.Format != format {
		return nil, fmt.Errorf("its format is %.40q, this program's is %q", f.Format, format)
	}
	names, hashes := map[string]bool{}, map[string]bool{}
	for _, r := range f.Clients {
		if err := r.Check(); err != nil {
			return nil, err
		}
		if raw, err := hex.DecodeString(r.TokenSHA256); err != nil || len(raw) != 32 || hex.EncodeToString(raw) != r.TokenSHA256 {
			return nil, fmt.Errorf("client %s: its token_sha256 is not 64 hexadecimal digits in lower case", r.Name)
		}
		if names[r.Name] || hashes[r.TokenSHA256] {
			return nil, fmt.Errorf("client %s is there twice", r.Name)
		}
		names[r.Name], hashes[r.TokenSHA256] = true, true
	}
	return f.Clients, nil
}

// write replaces the file: whole or not at all, and for good once it returns.
func write(path string, records []record) (err error) {
	if records == nil {
		records = []record{}
	}
	b, err := json.MarshalIndent(file{Format: format, Clients: records}, "", "  ")
	if err != nil {
		return err
	}
	fresh, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	_, err = fresh.Write(append(b, '\n'))
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("clients: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
