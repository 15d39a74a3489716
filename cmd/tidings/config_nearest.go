package main

import "slices"

// nearest returns the name most like a misspelt one, or "" if none is near.
func nearest(wrote string, names []string) string {
	best, distance := "", max(2, len(wrote)/3)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := editDistance(wrote, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

// didYouMean is the end of a sentence that refuses a name.
func didYouMean(wrote string, names []string) string {
	if name := nearest(wrote, names); name != "" {
		return "; did you mean " + name + "?"
	}
	return ""
}

// editDistance returns how many bytes have to be put in, taken out or replaced to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // from the part of a so far to b[:i]
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
