// The search looks up its index with a script, which works from file:// as well; only the excerpts under the results
// are fetched, which a browser refuses there. So: excerpts where there is a server, titles where there is none.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
