package settings

import "strings"

// closest returns the candidate that was probably meant by name, or "".
// Both begin with family, which does not count. In this order: a slip of the
// keyboard; a longer form of a candidate (QUOTA_PER_MONTH for QUOTA); its tail
// (KEY for API_KEY); a candidate with the same head (HTTP_PORT for HTTP_LISTEN).
func closest(name, family string, candidates []string) string {
	rest := strings.TrimPrefix(name, family)
	best, bestDistance := "", min(max(2, len(rest)/4+1), len(rest)/2)
	for _, c := range candidates {
		if d := distance(strings.ToUpper(name), strings.ToUpper(c)); d < bestDistance || d == bestDistance && best == "" {
			best, bestDistance = c, d
		}
	}
	if best != "" {
		return best
	}
	for _, c := range candidates {
		if strings.HasPrefix(name, c+"_") && len(c) > len(best) {
			best = c
		}
	}
	if best != "" || rest == "" {
		return best
	}
	for _, c := range candidates {
		if strings.HasSuffix(c, "_"+rest) && (best == "" || len(c) < len(best)) {
			best = c
		}
	}
	if best != "" {
		return best
	}
	for head := name; len(head) > len(family); {
		for _, c := range candidates {
			if strings.HasPrefix(c, head+"_") {
				return c
			}
		}
		head = head[:max(0, strings.LastIndexByte(head, '_'))]
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment). Far too long a name
// is simply far.
func distance(a, b string) int {
	const long = 128
	if len(a) > long || len(b) > long {
		return long
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
