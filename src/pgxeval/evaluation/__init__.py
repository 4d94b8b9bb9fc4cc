"""From a predictions table to judged tables; nothing here knows a model or a genome."""
