// Sphinx shows a summary below each result, for which it fetches the page; browsers refuse that to pages opened from a disk.
DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
