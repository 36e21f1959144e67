package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/enrichgate/enrichgate/cmd/enrichgate/internal/settings"
)

type bundleCmd struct {
	File   string `help:"The file to write." short:"f" type:"path" default:"enrichgate-support.tar.gz" placeholder:"FILE"`
	Ledger bool   `help:"Also the last 1000 entries of the audit log, with the values that were asked for."`
}

// Run packs what helps somebody else to see what is wrong: no secret, and
// without --ledger nothing of what analysts asked for.
func (b bundleCmd) Run(env *environment, c *cli) (err error) {
	s, err := c.load(env, settings.NeedData)
	if err != nil {
		return err
	}
	way, err := c.reading(env, "support-bundle")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, way.close()) }()
	f, err := os.OpenFile(b.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = b.pack(env, way, s, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(b.File))
	}
	env.say("wrote %s: settings without secrets, metrics, quota and cache; look into it before you give it away", b.File)
	return nil
}

func (b bundleCmd) pack(env *environment, way *access, s settings.Settings, w io.Writer) error {
	zip := gzip.NewWriter(w)
	pack := tar.NewWriter(zip)
	add := func(name string, content []byte) error {
		h := &tar.Header{Name: "enrichgate-support/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: time.Now().Truncate(time.Second)}
		if err := pack.WriteHeader(h); err != nil {
			return err
		}
		_, err := pack.Write(content)
		return err
	}
	var set bytes.Buffer
	for _, v := range s.Values() {
		fmt.Fprintf(&set, "%s\t%s\t%s\n", cmp.Or(v.Name, v.YAML), v.Value, v.Origin)
	}
	about := fmt.Sprintf("enrichgate %s %s %s/%s, revision %s\ndaemon: process %d (0: none runs)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, revision(), way.daemon)
	err := errors.Join(add("version.txt", []byte(about)), add("settings.txt", set.Bytes()))
	paths := map[string]string{"metrics.txt": "/metrics", "quota.json": "/api/v1/quota", "cache.json": "/api/v1/cache", "ready.json": "/readyz"}
	if b.Ledger {
		paths["ledger.jsonl"] = "/local/v1/ledger?newest=true&limit=1000"
	}
	for _, name := range []string{"metrics.txt", "quota.json", "cache.json", "ready.json", "ledger.jsonl"} {
		if paths[name] == "" {
			continue
		}
		content, gone := way.read(env, paths[name])
		if gone != nil {
			content = []byte("not to be had: " + gone.Error() + "\n") // that, too, is something to see
		}
		err = errors.Join(err, add(name, content))
	}
	return errors.Join(err, pack.Close(), zip.Close())
}

// read reads a whole answer, whatever its status is.
func (a *access) read(env *environment, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(env.ctx, http.MethodGet, "http://enrichgate"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, a.unanswered(env.ctx, err)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
