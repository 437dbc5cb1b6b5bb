// Package vectors holds nothing but tests: they run the files of testdata/vectors, which TypeScript runs as well.
package vectors
