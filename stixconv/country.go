package stixconv

import (
	"errors"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// country checks an ISO 3166-1 alpha-2 code and gives its present form and
// English name. Groups ("EU"), what stands for no place ("A1", "ZZ") and
// states that are no more and have no single successor are refused; Kosovo's
// "XK" is taken, though ISO only leaves it to its users.
func country(code string) (iso, name string, err error) {
	unknown := errors.New("not an ISO 3166-1 country code")
	if len(code) != 2 {
		return "", "", unknown
	}
	region, err := language.ParseRegion(code)
	if err != nil {
		return "", "", unknown
	}
	region = region.Canonicalize()
	name = display.English.Regions().Name(region)
	// Codes like EZ and UN count as countries there, but have no alpha-3 form.
	if !region.IsCountry() || name == "" || region.ISO3() == "ZZZ" {
		return "", "", unknown
	}
	return region.String(), name, nil
}
