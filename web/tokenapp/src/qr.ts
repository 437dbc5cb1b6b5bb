// The fallback QR reader, in a file of its own so that it is a chunk of its own.
export { default } from 'jsqr';
