package main

import (
	"crypto/md5" //nolint:gosec // a name for an invented file, no protection of anything
	"fmt"
	"math"
	"math/rand/v2"

	platform "github.com/enrichgate/enrichgate/enrich/opencti/sandbox"
)

// scene is one thing that is asked for, once or by two at the same time.
type scene struct {
	entity platform.Entity
	asked  string // the value, as the provider is asked for it
	value  string // as it is shown
	manual bool   // an analyst; otherwise a playbook
	times  int
	// lookups that it takes, each time.
	lookups int
}

// script makes traffic like that of a platform: few things come up again and
// again, many once or twice, and now and then something new. It depends on the
// seed alone. All names are from the ranges that are set aside for documentation.
type script struct {
	rng    *rand.Rand
	played int
	known  []scene // the values that came up, the most frequent first
}

func newScript(seed uint64) *script { return &script{rng: rand.New(rand.NewPCG(seed, seed))} }

// The shares of scenes.
const (
	shareRed    = 0.03 // a marking that must not leave the platform
	shareOther  = 0.03 // a type that the connector does not look up
	shareNew    = 0.15 // a value that did not come up before, in the long run
	shareManual = 0.25
	shareTwice  = 0.10 // two requests at the same time, and of new values:
	shareRace   = 0.35
)

func (s *script) chance(p float64) bool { return s.rng.Float64() < p }

// next writes a scene.
func (s *script) next() scene {
	s.played++
	var sc scene
	twice := shareTwice
	switch odds := s.rng.Float64(); {
	case odds < shareRed:
		sc = newScene("IPv4-Addr", fmt.Sprintf("203.0.113.%d", 250+s.rng.IntN(3)), "TLP:RED")
		twice = 0
	case odds < shareRed+shareOther:
		sc = newScene("Url", fmt.Sprintf("https://example.org/%c", 'a'+rune(s.rng.IntN(26))), "TLP:CLEAR")
		twice = 0
	case len(s.known) == 0 || s.chance(s.newness()):
		sc = s.invent()
		s.known = append(s.known, sc)
		twice = shareRace
	default:
		// Zipf: the n-th value comes up 1/n as often as the first.
		sc = s.known[int(math.Exp(s.rng.Float64()*math.Log(float64(len(s.known)+1))))-1]
	}
	sc.manual, sc.times = s.chance(shareManual), 1
	if s.chance(twice) {
		sc.times = 2
	}
	return sc
}

// newness is how likely something new comes up: more so at the beginning.
func (s *script) newness() float64 { return shareNew + 0.45*math.Pow(0.93, float64(s.played)) }

// invent makes the next new value.
func (s *script) invent() scene {
	n := len(s.known)
	switch odds := s.rng.Float64(); {
	case odds < 0.4:
		networks := []string{"192.0.2", "198.51.100", "203.0.113"}
		return newScene("IPv4-Addr", fmt.Sprintf("%s.%d", networks[n%3], 1+(n*37+n/250)%249), "TLP:AMBER")
	case odds < 0.75:
		words := []string{"mail", "login", "update", "cdn", "static", "portal", "vpn", "files", "news", "shop"}
		parents := []string{"example.com", "example.net", "example.org"}
		return newScene("Domain-Name", fmt.Sprintf("%s-%d.%s", words[s.rng.IntN(len(words))], n, parents[s.rng.IntN(len(parents))]), "TLP:GREEN")
	default:
		return newScene("StixFile", fmt.Sprintf("%x", md5.Sum(fmt.Appendf(nil, "sample %d", n))), "TLP:CLEAR")
	}
}

func newScene(kind, value, tlp string) scene {
	lookups := map[string]int{"IPv4-Addr": 5, "Domain-Name": 3, "StixFile": 1}
	sc := scene{entity: platform.NewEntity(kind, value, tlp), asked: value, value: value, lookups: lookups[kind]}
	if kind == "StixFile" {
		sc.value = "file " + value[:12] + "…"
	}
	return sc
}
