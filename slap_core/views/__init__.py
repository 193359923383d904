"""What a person looks at: projections to two dimensions and plotly figures."""
