package dashboards

import (
	"errors"
	"net/http"
)

// export sends the audit log as a file. It streams: a long log is never held in
// memory. What goes wrong after the first line can only be seen by the end
// missing, so the connection is cut.
func (p *Page) export(form Form, contentType string) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, _ visitor) {
		filter, problem := filterOf(r)
		if problem != "" {
			http.Error(w, problem, http.StatusBadRequest)
			return
		}
		out := &attachment{ResponseWriter: w, contentType: contentType, name: "ledger." + string(form)}
		err := p.cfg.Books.Export(r.Context(), out, form, filter)
		var refused *FilterError
		switch {
		case err == nil:
			_, _ = out.Write(nil) // an empty one has its headers too
		case errors.As(err, &refused):
			http.Error(w, refused.Problem, http.StatusBadRequest)
		default:
			if r.Context().Err() == nil {
				p.cfg.Log.Error("an export of the ledger broke off", "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// attachment is a file to be saved, from its first byte on.
type attachment struct {
	http.ResponseWriter
	contentType, name string
	begun             bool
}

// Write implements io.Writer.
func (a *attachment) Write(b []byte) (int, error) {
	if !a.begun {
		a.begun = true
		a.Header().Set("Content-Type", a.contentType)
		a.Header().Set("Content-Disposition", `attachment; filename="`+a.name+`"`)
	}
	return a.ResponseWriter.Write(b)
}
