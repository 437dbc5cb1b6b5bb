// In a file of its own so that it is a chunk of its own: nobody fetches both languages.
export { default } from '../../../text/ja/tokenapp.json';
