package dashboards

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed assets templates
var content embed.FS

// file is an embedded file of the page.
type file struct {
	body []byte
	// hash stands in its address, so that a browser may keep it for good.
	hash string
}

// embedded are the files below assets, by name.
func embedded() map[string]file {
	entries, err := content.ReadDir("assets")
	if err != nil {
		panic("dashboards: " + err.Error()) // it was there when this was compiled
	}
	files := map[string]file{}
	for _, e := range entries {
		body, err := content.ReadFile("assets/" + e.Name())
		if err != nil {
			panic("dashboards: " + err.Error())
		}
		sum := sha256.Sum256(body)
		files[e.Name()] = file{body: body, hash: hex.EncodeToString(sum[:6])}
	}
	return files
}

func (p *Page) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f, ok := p.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	if r.URL.RawQuery == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
