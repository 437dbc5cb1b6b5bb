// Of the part that deals with transactions; it is fetched with it.
export { default } from '../../../text/en/tokenapp-desk.json';
