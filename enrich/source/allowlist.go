package source

import "strings"

// A program may call these functions of jq's, by name and arity. Left out is
// what carries state from one round to the next (reduce, foreach, while, until,
// repeat, recursion: without them every program ends, and no value can be
// doubled over and over), what reads the world (env, input, now, debug), and
// what nobody needs.
//
// A trailing ! marks those that make text or lists anew: what they make is
// charged to the run. A trailing % marks those that walk all of their input in
// one instruction: it is weighed before, and they are charged, too.
const allowedFunctions = `
	not/0 empty/0 error/0 error/1 select/1 map/1 map_values/1 type/0 length/0 has/1 in/1
	any/0 any/1 any/2 all/0 all/1 all/2 first/0 first/1 last/0 last/1 nth/1 limit/2 skip/2 isempty/1 range/1 range/2
	arrays/0 objects/0 iterables/0 booleans/0 numbers/0 strings/0 nulls/0 values/0 scalars/0
	floor/0 ceil/0 round/0 abs/0 fabs/0 isnan/0 tonumber/0 toboolean/0
	test/1 test/2 startswith/1 endswith/1 paths/0
	min/0% max/0% min_by/1% max_by/1% sort/0% sort_by/1% group_by/1% unique/0% unique_by/1% flatten/0% flatten/1% del/1%
	tostring/0% tojson/0%
	keys/0! to_entries/0! from_entries/0! with_entries/1! reverse/0! getpath/1
	ascii_downcase/0! ascii_upcase/0! trim/0! ltrim/0! rtrim/0! ltrimstr/1! rtrimstr/1! trimstr/1!
	split/1! split/2! splits/1! splits/2! match/1! match/2! capture/1! capture/2! scan/1! scan/2!
	todate/0! fromdate/0 mktime/0 gmtime/0! strftime/1! strptime/1!
	scale/1 same/1 base64url/0! quoted/0! time/0!
	add/0! join/1! sub/2! sub/3! gsub/2! gsub/3! contains/1`

// replaced are the functions that natives.go has in place of jq's.
const replaced = " add join sub gsub contains "

// library is the allowed functions by name and arity.
type library map[string]cost

// cost says what of a function is booked beside its instruction.
type cost struct{ weighed, charged bool }

func newLibrary() library {
	l := library{}
	for _, name := range strings.Fields(allowedFunctions) {
		plain := strings.TrimRight(name, "!%")
		l[plain] = cost{weighed: strings.HasSuffix(name, "%"), charged: plain != name}
	}
	return l
}

// knows says whether a name is a builtin, whatever its arity.
func (l library) knows(name string) bool {
	for full := range l {
		if known, _, _ := strings.Cut(full, "/"); known == name {
			return true
		}
	}
	return false
}
