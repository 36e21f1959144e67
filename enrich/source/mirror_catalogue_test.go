package source

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/enrichgate/enrichgate/enrich/source/wire"
)

// Every call by GET that a source of the catalogue makes is, seen from the
// other side of a mirror, the lookup that made it, and the secret in it is found.
func TestMirrorOfTheWholeCatalogue(t *testing.T) {
	all, problems := Catalogue()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	offered, silent := 0, map[string]bool{}
	for _, d := range all {
		tests, _, problems := loadFixtures(CatalogueFS(), d.Name())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		secrets := map[string]wire.Secret{}
		for name := range d.def.Settings.Secrets {
			secrets[name] = "token-of-a-test"
		}
		s, err := d.Open(Config{Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		for i := range tests.Fixtures {
			x := &tests.Fixtures[i]
			want, err := s.planned(x)
			if err != nil {
				continue // a fixture of what is refused
			}
			own := d.find(want.Endpoint)
			made, err := s.request(t.Context(), &own.request, own.value, s.scope(own, want.Value))
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(made.Method, made.URL.RequestURI(), nil)
			r.Header = made.Header
			got, err := s.Match(r)
			if made.Method != http.MethodGet || own.block.Value != "" && own.block.Value != "base64url" && own.block.Value != "quoted" {
				silent[d.Name()+" "+want.Endpoint] = true
				if err == nil {
					t.Errorf("%s: %s %s was matched", d.Name(), made.Method, made.URL)
				}
				continue
			}
			if err != nil || got != want {
				t.Errorf("%s: %s became %+v, %v; want %+v", d.Name(), made.URL, got, err, want)
			}
			if token := s.Token(r); token != "token-of-a-test" && len(secrets) > 0 && len(d.auth) > 0 {
				t.Errorf("%s: the token is %q", d.Name(), token)
			}
			offered++
		}
	}
	t.Logf("%d calls are offered, of these none: %v", offered, silent)
	if offered < 50 {
		t.Errorf("only %d calls are offered", offered)
	}
}
