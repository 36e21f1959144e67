package dashboards

import (
	"bytes"
	"html/template"
	"net/http"
	"time"
)

// views are the pages' templates, by name.
type views struct{ byName map[string]*template.Template }

// pageNames are the templates beside the layout.
var pageNames = [...]string{"overview", "enrichments", "enrichment", "ledger", "cache", "clients", "sources", "health", "lookup", "sign-in", "missing"}

func parseViews(files map[string]file) *views {
	funcs := template.FuncMap{
		"num": num, "bytes": byteSize, "percent": percent, "money": money, "span": span,
		"stamp": stamp, "date": date, "iso": iso, "day": day, "list": list, "dict": dict, "bar": newBar,
		"themes": func() []string { return themes[:] },
		"asset":  func(name string) string { return "/assets/" + name + "?" + files[name].hash },
	}
	v := &views{byName: map[string]*template.Template{}}
	common := template.Must(template.New("layout.html").Funcs(funcs).ParseFS(content, "templates/layout.html", "templates/parts.html"))
	for _, name := range pageNames {
		v.byName[name] = template.Must(template.Must(common.Clone()).ParseFS(content, "templates/"+name+".html"))
	}
	return v
}

// view is what every template gets.
type view struct {
	// Page is the template's name, Path the address of this very view.
	Page, Title, Path, Theme, Version string
	Now                               time.Time
	// SignedIn has a session; Admin may act; MayAct says that signing in could help.
	SignedIn, Reader, Admin, MayAct bool
	Name, CSRF                      string
	Notice                          notice
	Data                            any
}

// Ago is how long ago a time is, in words.
func (v view) Ago(t time.Time) string { return ago(t, v.Now) }

// In is how far off a time is, in words.
func (v view) In(t time.Time) string { return in(t, v.Now) }

// render writes a page. Nothing is sent before the template has come to its
// end: half a page is worse than an error.
func (p *Page) render(w http.ResponseWriter, r *http.Request, who visitor, status int, name, title string, data any) {
	v := view{
		Page: name, Title: title, Path: r.URL.RequestURI(), Theme: themeOf(r), Version: p.cfg.Version, Now: p.cfg.Shown(),
		SignedIn: who.id != "", Reader: who.role >= reader, Admin: who.role == admin && p.cfg.Admin != nil,
		MayAct: who.role != admin && p.cfg.AdminToken != "", Name: who.name, CSRF: who.csrf, Data: data,
	}
	if who.id != "" && r.Header.Get("X-Live") == "" {
		v.Notice = p.sessions.told(who.id)
	}
	var b bytes.Buffer
	if err := p.views.byName[name].Execute(&b, v); err != nil {
		p.cfg.Log.Error("a page could not be rendered", "page", name, "error", err)
		http.Error(w, "the page could not be rendered; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}
