package httpapi

import (
	_ "embed" // for the document
	"net/http"
)

// openAPI is the document that describes /api/v1, in OpenAPI 3.1.
//
//go:embed openapi.json
var openAPI []byte

// openapi serves it, to whoever asks: it holds nothing but what stands in the
// repository.
func (a *API) openapi(w http.ResponseWriter, _ *http.Request, _ caller) {
	w.Header().Set("Content-Type", "application/openapi+json")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(openAPI) // the client may be gone
}
