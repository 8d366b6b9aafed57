"""The centre: takes batches in, keeps the ledger, answers with acknowledgements after the commit and knows what is missing."""
