"""Parts of a simulated cohort: linked haplotypes, alleles, gene models, planted effects, files."""
